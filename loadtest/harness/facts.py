"""What a table of figures is worth nothing without: when, where, which binary, which commit."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from . import systems


def of_this_run(tollgate):
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{model()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "commit": commit(),
        "gateway": describe_binary(tollgate),
    }


def load_average():
    return "%.1f %.1f %.1f" % os.getloadavg()


def stamp():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M")


def model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")


def commit():
    def git(*words):
        return subprocess.run(["git", *words], cwd=systems.HERE, capture_output=True, text=True).stdout.strip()

    changed = "-changed" if git("status", "--porcelain", "../src", "../Cargo.toml") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def describe_binary(path):
    folder = path.resolve().parent.name
    profile = folder if folder in ("debug", "release", "dist") else "unknown"
    if not path.exists():
        return f"{path} is not there"
    return f"{path} (profile {profile}, {path.stat().st_size / 1e6:.1f} MB)"
