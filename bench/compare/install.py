"""Installs the peers that a comparison asks for and that are not there: Debian packages, and npm's into a build folder."""

import contextlib
import os
import shutil
import subprocess

import peers

POLICY = "/usr/sbin/policy-rc.d"


def ensure(servers, build):
    packages = sorted({server.debian_package for server in servers if server.debian_package})
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        install_packages(missing)
    for server in servers:
        if server.npm_package:
            ensure_npm(server.npm_package, peers.npm_folder(build))


def is_installed(package):
    query = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True)
    return query.returncode == 0 and query.stdout.startswith("installed")


def install_packages(packages):
    print(f"installing {' '.join(packages)}", flush=True)
    root = [] if os.getuid() == 0 else ["sudo", "--preserve-env=DEBIAN_FRONTEND"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services(root):
        subprocess.run([*root, "apt-get", "update", "-qq"], env=environment, check=True)
        subprocess.run([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
                       env=environment, check=True, stdout=subprocess.DEVNULL)
    if os.path.isdir("/run/systemd/system"):
        # Not at the next boot either.
        subprocess.run([*root, "systemctl", "disable", "--now", *packages], check=True)


@contextlib.contextmanager
def no_services(root):
    """Packages start no service of theirs while this lasts (invoke-rc.d(8))."""
    if os.path.exists(POLICY):
        yield  # the administrator's word
        return
    subprocess.run([*root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"], check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "rm", POLICY], check=True)


def ensure_npm(package, folder):
    if shutil.which("npm") is None:
        raise SystemExit(f"{package} needs Node.js and npm")
    name = package.rpartition("@")[0]
    if os.path.isdir(os.path.join(folder, "node_modules", name)):
        return
    print(f"installing {package} into {folder}", flush=True)
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error", package],
                   check=True, stdout=subprocess.DEVNULL)


def versions(servers):
    """One line for each product that is not ours."""
    lines = []
    for package in sorted({server.debian_package for server in servers if server.debian_package}):
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
        lines.append(f"{package} {version.stdout} (Debian)")
    lines += [f"{server.npm_package} (npm)" for server in servers if server.npm_package]
    return lines
