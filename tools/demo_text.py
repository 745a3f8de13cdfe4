"""How the demo speaks."""


def say(text=""):
    print(text, flush=True)


def step(command, comment=""):
    say(f"\n$ {command}" + (f"    # {comment}" if comment else ""))


def indented(text):
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
