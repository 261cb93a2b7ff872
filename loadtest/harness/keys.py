"""The API keys and how each system wants to be told of them."""

COUNT = 10_000


def value(number):
    return f"load-test-key-{number:06d}-9f3b6c1d"


def all_keys(count=COUNT):
    return [value(number) for number in range(count)]


def spaced_map(count, end=""):
    """`KEY CLIENT` lines: nginx wants a semicolon at their end, HAProxy nothing."""
    return "".join(f"{key} client{number}{end}\n" for number, key in enumerate(all_keys(count)))


def toml(count):
    table = '[api_keys.client{}]\nvalue = "{}"\nusage_plans = ["load"]\n'
    return "\n".join(table.format(number, key) for number, key in enumerate(all_keys(count)))


def credentials(count, indent):
    line = "{}- {{ key: {}, client: client{} }}"
    return "\n".join(line.format(" " * indent, key, number) for number, key in enumerate(all_keys(count)))
