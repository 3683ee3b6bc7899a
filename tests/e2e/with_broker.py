"""Runs a test program that is written in another language, against a broker of its own.

Usage: with_broker.py [broker's flags --] PROGRAM [arguments]

The program finds the ports in STAMPEDE_TEST_TCP_PORT and STAMPEDE_TEST_WS_PORT; the environment is broker.py's. Exits
with the program's code, or with 1 if the broker did not end well.
"""

import os
import subprocess
import sys

from broker import Broker


def main(arguments):
    at = arguments.index("--") if "--" in arguments else -1
    flags, command = arguments[:max(at, 0)], arguments[at + 1:]
    with Broker(*flags) as broker:
        environment = dict(os.environ)
        environment.update(STAMPEDE_TEST_TCP_PORT=str(broker.tcp), STAMPEDE_TEST_WS_PORT=str(broker.ws))
        # The program dies with this one, as the broker does.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        code = subprocess.run(command, env=environment, check=False).returncode
        if code != 0:
            broker.tell_how_it_went()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
