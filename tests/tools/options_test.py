"""What users may set, and where: flags, environment, configuration file, --help, --print-config, --check-config.

The option table itself is read from --print-config and --help, so a new option is tested from the day it is there.
"""

import os
import re
import subprocess
import tempfile
import unittest

BINARY = os.environ["STAMPEDE_BINARY"]

# A value of another kind than the default for each option whose default says too little about its values.
OTHER_VALUES = {
    "queue_full": "drop-oldest",
    "admin": "127.0.0.1:2",
    "listen": "ws://127.0.0.1:1",
    "ports_file": "/tmp/ports.json",
    "takeover": "/tmp/stampede.sock",
    "log_file": "/tmp/stampede.log",
    "allowed_origins": "https://a.example,https://*.b.example",
    "cpus": "0-1",
    "heart_beat": "5s,7s",
    "tcp_user_timeout": "45s",
    "drain_delay": "2s",
    "history": "/topic/a/*=300,2KiB,3s,/topic/b=5",
    "log_level": "error",
    "log_format": "json",
    "pin": "off",
    "max_connections": "77",
    "shards": "3",
    "mailbox_slots": "256",
    "memory_limit": "256MiB",
    "slow_consumer": "drop-old /topic/a bytes=4096,conflate key=k",
}


def run(*arguments, environment=None):
    # Nothing of the tester's own settings may count.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STAMPEDE_")}
    return subprocess.run([BINARY, *arguments], env={**clean, **(environment or {})}, capture_output=True,
                          text=True, timeout=30, check=False)


def parse_config(text):
    """--print-config as {key: (value, origin)}."""
    settings = {}
    for line in text.splitlines():
        key, value, origin = re.fullmatch(r'(\w+) = ("[^"]*"|\S+)  # (.*)', line).groups()
        settings[key] = (value.strip('"'), origin)
    return settings


def printed(*arguments, environment=None):
    result = run("--print-config", *arguments, environment=environment)
    assert result.returncode == 0, result.stderr
    return parse_config(result.stdout)


def other_value(key, default):
    """A valid value that is not the default."""
    if key in OTHER_VALUES:
        return OTHER_VALUES[key]
    if default in ("on", "off"):
        return "off" if default == "on" else "on"
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", default).groups()
    return f"{int(number) * 3 or 5}{unit}"


class ConfigFile:
    def __init__(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
            file.write(text)
        self.path = file.name

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        os.unlink(self.path)


class OptionTable(unittest.TestCase):
    """A walk over every option: one name in three spellings, and four places that rank the same for all."""

    @classmethod
    def setUpClass(cls):
        cls.defaults = {key: value for key, (value, _) in printed().items()}

    def test_there_are_options(self):
        self.assertGreater(len(self.defaults), 35)

    def test_no_value_comes_from_elsewhere_by_default(self):
        self.assertEqual({origin for _, origin in printed().values()}, {"default"})

    def test_one_name_is_flag_variable_and_key(self):
        for key, default in self.defaults.items():
            with self.subTest(key):
                value = other_value(key, default)
                flag, variable = "--" + key.replace("_", "-"), "STAMPEDE_" + key.upper()
                # Some limits are held against each other: give their partner room.
                room = {"max_frame_size_before_connect": ["--max-frame-size", "1M"],
                        "max_header_size": ["--max-header-total", "1M"]}.get(key, [])
                self.assertEqual(printed(f"{flag}={value}", *room)[key], (value, f"flag, {flag}"))
                self.assertEqual(printed(*room, environment={variable: value})[key],
                                 (value, f"environment, {variable}"))
                with ConfigFile(f"# one line\n{key} = {value}\n") as path:
                    self.assertEqual(printed("--config", path, *room)[key],
                                     (value, f"file, {path}:2: {key}"))

    def test_help_has_each_option_with_its_default(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for key, default in self.defaults.items():
            with self.subTest(key):
                flag = "--" + key.replace("_", "-")
                lines = re.findall(rf"(?m)^  {flag}(?: \S+)?  +\S.*$", result.stdout)
                self.assertEqual(len(lines), 1)
                self.assertRegex(lines[0], re.escape(f"default {default or 'none'})") + "$")

    def test_help_has_no_other_option(self):
        flags = set(re.findall(r"(?m)^  --([a-z-]+)", run("--help").stdout))
        actions = {"config", "check-config", "check-system", "print-config", "version", "help"}
        self.assertEqual(flags - actions, {key.replace("_", "-") for key in self.defaults})

    def test_what_is_printed_reads_back(self):
        flags = [f"--{key.replace('_', '-')}={other_value(key, value)}" for key, value in self.defaults.items()]
        before = run("--print-config", *flags).stdout
        with ConfigFile(before) as path:
            after = printed("--config", path)
        self.assertEqual({key: value for key, (value, _) in parse_config(before).items()},
                         {key: value for key, (value, _) in after.items()})
        self.assertTrue(all(origin.startswith("file") for _, origin in after.values()))


class Precedence(unittest.TestCase):
    def test_flag_over_environment_over_file_over_default(self):
        with ConfigFile("max_headers = 10\nmax_subscriptions = 10\nmax_destinations = 10\n") as path:
            settings = printed("--config", path, "--max-headers", "30",
                               environment={"STAMPEDE_MAX_HEADERS": "20", "STAMPEDE_MAX_SUBSCRIPTIONS": "20"})
        self.assertEqual(settings["max_headers"][0], "30")
        self.assertEqual(settings["max_subscriptions"][0], "20")
        self.assertEqual(settings["max_destinations"][0], "10")
        self.assertEqual(settings["dedup_window"][0], "65536")

    def test_an_empty_variable_counts_as_unset(self):
        with ConfigFile("max_headers = 10\n") as path:
            settings = printed("--config", path, environment={"STAMPEDE_MAX_HEADERS": ""})
        self.assertEqual(settings["max_headers"][0], "10")

    def test_the_file_may_be_named_by_a_variable(self):
        with ConfigFile("max_headers = 10\n") as path:
            self.assertEqual(printed(environment={"STAMPEDE_CONFIG": path})["max_headers"][0], "10")

    def test_the_last_of_two_flags_counts(self):
        self.assertEqual(printed("--max-headers", "10", "--max-headers=20")["max_headers"][0], "20")

    def test_lists_add_up_within_a_source_and_replace_across(self):
        environment = {"STAMPEDE_LISTEN": "ws://127.0.0.1:1,stomp://127.0.0.1:2"}
        self.assertEqual(printed(environment=environment)["listen"][0], "ws://127.0.0.1:1,stomp://127.0.0.1:2")
        flags = ["--listen", "ws://127.0.0.1:3", "--listen", "ws://127.0.0.1:4"]
        self.assertEqual(printed(*flags, environment=environment)["listen"][0], "ws://127.0.0.1:3,ws://127.0.0.1:4")
        with ConfigFile('listen = ["ws://127.0.0.1:5", stomp://127.0.0.1:6]\n') as path:
            self.assertEqual(printed("--config", path)["listen"][0], "ws://127.0.0.1:5,stomp://127.0.0.1:6")

    def test_rules_of_history_keep_their_commas_and_wildcards(self):
        rules = "/topic/prices/#=1000,1MiB,10m,/topic/news/*=5"
        separate = ["--history", "/topic/prices/#=1000,1M,10m", "--history", "/topic/news/*=5"]
        self.assertEqual(printed(*separate)["history"][0], rules)
        self.assertEqual(printed(environment={"STAMPEDE_HISTORY": rules})["history"][0], rules)
        with ConfigFile(f'history = "{rules}"\n') as path:
            self.assertEqual(printed("--config", path)["history"][0], rules)
        with ConfigFile('history = ["/topic/prices/#=1000,1M,10m", "/topic/news/*=5"]\n') as path:
            self.assertEqual(printed("--config", path)["history"][0], rules)
        many = [f"--history=/topic/{n}=1" for n in range(64)]
        printed(*many)
        result = run("--print-config", *many, "--history=/topic/64=1")
        self.assertEqual(result.returncode, 2)

    def test_a_switch_alone_means_on(self):
        self.assertEqual(printed("--allow-anonymous")["allow_anonymous"][0], "on")
        self.assertEqual(printed("--allow-anonymous=off")["allow_anonymous"][0], "off")


class Errors(unittest.TestCase):
    def assert_bad_usage(self, text, *arguments, environment=None):
        result = run(*arguments, environment=environment)
        self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(text, result.stderr)

    def test_unknown_flags_and_stray_words_are_bad_usage(self):
        self.assert_bad_usage("--max-frame-sise", "--max-frame-sise", "1M")
        self.assert_bad_usage("stray", "stray")
        self.assert_bad_usage("--shards", "--shards")

    def test_a_bad_flag_or_variable_names_itself(self):
        self.assert_bad_usage("--max-frame-size: '64MB1'", "--max-frame-size", "64MB1")
        self.assert_bad_usage("STAMPEDE_MAX_HEADERS: 'many'", environment={"STAMPEDE_MAX_HEADERS": "many"})

    def test_values_have_a_range(self):
        for flag, good, bad in [
                ("--max-frame-size", "64M", "67108865"), ("--shards", "64", "65"), ("--shards", "1", "0"),
                ("--mailbox-slots", "1024", "1000"), ("--connect-timeout", "24h", "25h"),
                ("--history", "/topic/#=1", "/topic/#=0"), ("--history", "/topic/#=1000000", "/topic/#=1000001"),
                ("--history", "/topic/a=1,2K,3m", "/topic/a=1,2K,3m,4"), ("--history", "a=1", "a"),
                ("--history", "/topic/**=1,0", "/topic/**/b=1"), ("--history", "/topic/q=1,1G", "/queue/q=1"),
                ("--heart-beat", "0,0", "0"), ("--heart-beat-tolerance", "1", "0.5"), ("--log-level", "warn", "loud"),
                ("--cpus", "0-3,6", "3-0"), ("--pin", "auto", "yes"), ("--allow-anonymous", "on", "maybe")]:
            with self.subTest(flag):
                printed(f"{flag}={good}")
                self.assert_bad_usage(flag + ": ", f"{flag}={bad}")

    def test_limits_are_held_against_each_other(self):
        self.assert_bad_usage("--max-frame-size-before-connect 16KiB is larger than --max-frame-size 8KiB",
                              "--max-frame-size", "8K")
        self.assert_bad_usage("--max-header-size 8KiB is larger than --max-header-total 4KiB",
                              "--max-header-total", "4K")

    def test_a_listener_must_be_a_uri_that_we_serve(self):
        self.assert_bad_usage("--listen: ", "--listen", "127.0.0.1:15674")
        self.assert_bad_usage("--listen: ", "--listen", "http://127.0.0.1:15674")

    def test_check_config_tells_every_error_with_file_line_and_key(self):
        with ConfigFile("max_headers = many\n\nno_such_key = 1\nshards\nmax_headers = 2\n") as path:
            result = run("--check-config", "--config", path, environment={"STAMPEDE_SHARDS": "0"})
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 5, result.stderr)
        for start in (f"{path}:1: max_headers: ", f"{path}:3: no_such_key: unknown key", f"{path}:4: ",
                      f"{path}:5: max_headers: already set", "STAMPEDE_SHARDS: "):
            self.assertEqual(sum(line.startswith("stampede: " + start) for line in lines), 1, start)

    def test_check_config_accepts_what_is_right(self):
        first = run("--check-config", "--max-headers", "8")
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        self.assertRegex(first.stdout, r"^OK [0-9a-f]{16}\n$")
        self.assertEqual(run("--check-config", environment={"STAMPEDE_MAX_HEADERS": "8"}).stdout, first.stdout)
        self.assertNotEqual(run("--check-config", "--max-headers", "9").stdout, first.stdout)

    def test_a_file_that_is_not_there_is_an_error(self):
        result = run("--print-config", "--config", "/nonexistent/stampede.conf")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/stampede.conf: cannot be read: No such file", result.stderr)

    def test_a_wrong_value_in_a_file_stops_the_start(self):
        with ConfigFile("max_headers = many\n") as path:
            result = run("--config", path, "--listen", "ws://127.0.0.1:0")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{path}:1: max_headers: 'many'", result.stderr)


class Version(unittest.TestCase):
    def test_version_is_one_line(self):
        result = run("--version")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout,
                         r"^stampede \d+\.\d+\.\d+ \(git \S+, \S+ [\d.]+, liburing [\d.]+, allocator .+\)\n$")

    def test_help_wins_over_whatever_else_is_asked(self):
        result = run("--version", "--help", "--max-headers", "8")
        self.assertEqual(result.returncode, 0)
        self.assertTrue(result.stdout.startswith("Usage: stampede"))


if __name__ == "__main__":
    unittest.main()
