"""What a service manager does when a socket unit starts its service: descriptors 3 and up, and LISTEN_* about them.

Usage: activate.py NAME=FD,NAME=FD PROGRAM ARGUMENT...   (FD: a listening socket that this process inherited)
"""

import os
import sys

FIRST = 3

sockets = [entry.rsplit("=", 1) for entry in sys.argv[1].split(",")]
# Out of the way first: a source may be one of the places.
copies = [os.dup2(int(fd), 200 + n) for n, (_, fd) in enumerate(sockets)]
for n, copy in enumerate(copies):
    os.dup2(copy, FIRST + n)
    os.close(copy)
for _, fd in sockets:
    if int(fd) >= FIRST + len(sockets):
        os.close(int(fd))
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(name for name, _ in sockets),
                  LISTEN_PID=os.environ.get("ACTIVATE_PID", str(os.getpid())))
os.execv(sys.argv[2], sys.argv[2:])
