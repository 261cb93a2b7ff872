"""Load at saturation: wrk and h2load ask as fast as they can.

Each returns what was answered. Everything runs on the load core and only against 127.0.0.1.
"""

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass

CONNECTIONS = 64
H2_CONNECTIONS, H2_STREAMS = 16, 4

# Requests are rendered once, so that what wrk costs does not depend on the scenario.
WRK_SCRIPT = """
local rendered, turn = {}, 0
function init()
  wrk.method = "@METHOD@"
  if @BODY_BYTES@ > 0 then wrk.body = string.rep("x", @BODY_BYTES@) end
  local keys = { @KEYS@ }
  if #keys == 0 then rendered[1] = wrk.format() end
  for i, key in ipairs(keys) do
    wrk.headers["x-api-key"] = key
    rendered[i] = wrk.format()
  end
end
function request()
  turn = turn % #rendered + 1
  return rendered[turn]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('@@{"requests":%d,"us":%d,"failed":%d,"refused":%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status))
end
"""


# Rendered from lines of `PATH KEY`, one after the other. Each start goes on where the last one ended (its first
# argument), so that all lines get their turn over many short rounds.
WRK_WALK = """
local rendered, turn, count = {}, 0, 0
function init(args)
  local rest = " HTTP/1.1\\r\\nHost: " .. wrk.headers["Host"] .. "\\r\\n"
  for line in io.lines("@LINES@") do
    local path, key = line:match("^(%S+) ?(%S*)$")
    local field = key ~= "" and "x-api-key: " .. key .. "\\r\\n" or ""
    count = count + 1
    rendered[count] = "GET " .. path .. rest .. field .. "\\r\\n"
  end
  turn = tonumber(args[1]) % count
end
function request()
  turn = turn % count + 1
  return rendered[turn]
end
""" + WRK_SCRIPT[WRK_SCRIPT.index("function done"):]

# wrk counts in whole milliseconds.
WRK_PAUSE = """
function delay() return math.floor(@PAUSE_MS@ + math.random()) end
"""


@dataclass
class Load:
    requests: int
    seconds: float
    #: Answers with a status over 399.
    refused: int
    #: Requests without an answer.
    failed: int


class LoadFailed(Exception):
    """The load generator did not do its work."""


def run(command, seconds):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wrk_script(target, method, body_bytes, keys):
    words = {"METHOD": method, "BODY_BYTES": str(body_bytes), "KEYS": ",".join(f'"{key}"' for key in keys)}
    target.write_text(re.sub(r"@([A-Z_]+)@", lambda match: words[match[1]], WRK_SCRIPT))
    return target


def walk_script(target, lines, pause_ms=None):
    """A script that walks through a file of `PATH KEY` lines; give `wrk` the line to begin with. With a pause each
    connection waits so long before each request, on average."""
    script = WRK_WALK.replace("@LINES@", str(lines))
    if pause_ms is not None:
        script += WRK_PAUSE.replace("@PAUSE_MS@", f"{pause_ms:.3f}")
    target.write_text(script)
    return target


def wrk(url, script, seconds, first=0):
    return wrk_load(run(wrk_command(url, script, seconds, first), seconds))


def wrk_command(url, script, seconds, first):
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", script, url, "--", first]


def wrk_load(text):
    report = json.loads(re.search(r"@@(\{.*\})", text)[1])
    return Load(report["requests"], report["us"] / 1e6, report["refused"], report["failed"])


class Beside:
    """`wrk` at work beside another generator, for `seconds` at most. It takes what nobody else wants of its core, so
    that neither the other one nor the origin waits for it: its own latencies say nothing."""

    def __init__(self, url, script, seconds, first=0):
        command = [str(word) for word in wrk_command(url, script, seconds, first)]
        stand_behind = lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=stand_behind)

    def stop(self):
        """Ends it, and returns what was answered."""
        self.process.send_signal(signal.SIGINT)
        text, complaint = self.process.communicate(timeout=30)
        if self.process.returncode != 0:
            raise LoadFailed(f"wrk: {complaint.strip() or text.strip()}")
        return wrk_load(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def h2load(url, seconds=None, requests=None):
    amount = ["-D", f"{seconds}s"] if seconds else ["-n", str(requests)]
    command = ["h2load", *amount, "-c", str(H2_CONNECTIONS), "-m", str(H2_STREAMS), "-t", "1", url]
    text = run(command, seconds or 10)
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (total|done|succeeded|failed|2xx|4xx|5xx)", text)}
    took = re.search(r"finished in ([\d.]+)(us|ms|s)", text)
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[took[2]]
    return Load(counts["succeeded"], float(took[1]) * scale, counts["4xx"] + counts["5xx"], counts["failed"])
