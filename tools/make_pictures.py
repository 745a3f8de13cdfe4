"""Writes the pictures of docs/images that show a terminal: what the commands really print, of a small shop whose new service
has a mistake built in. Needs a release build: ./dev build release."""

import os
import pty
import re
import subprocess
import sys
import tempfile

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import demo
import shop
from cluster import Cluster, execute, free_port
from demo_services import LEGACY, NEW, Readers, ShopService
from migration import Migration

IMAGES = os.path.join(demo.ROOT, "docs", "images")
CUSTOMERS = 2_000
READS = 3_000
COLUMNS = 100
THEME = TerminalTheme((255, 255, 255), (36, 41, 47),
                      [(36, 41, 47), (180, 35, 40), (20, 110, 50), (130, 90, 0), (9, 85, 190), (120, 65, 185), (20, 115, 125), (110, 119, 129)],
                      [(87, 96, 106), (200, 45, 50), (30, 130, 60), (150, 105, 0), (20, 105, 220), (140, 85, 205), (30, 135, 145), (140, 149, 159)])
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# Everything that it needs is in the file: no font is fetched from anywhere.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} PICTURE_HEIGHT" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: %s; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
<rect width="{width}" height="PICTURE_HEIGHT" rx="8" fill="#ffffff" stroke="#d0d7de"/>
<g transform="translate({terminal_x}, 12)" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
""" % FONT


def shown(command, directory):
    """What the command prints on a terminal, colours and all."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)})
    os.close(theirs)
    printed = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        printed += piece
    assert running.wait() == 0, printed
    return printed.decode().replace("\r\n", "\n")


def draw(name, words, migration):
    text = f"\x1b[1m$ oxbow {' '.join(words)}\x1b[0m\n" + shown([migration.binary, *words], migration.directory)
    console = Console(width=COLUMNS, record=True, file=open(os.devnull, "w", encoding="utf-8"), force_terminal=True)
    console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
    drawn = console.export_svg(title="", theme=THEME, code_format=FRAME, unique_id=name)
    height = float(re.search(r'height="([\d.]+)"/></clipPath>', drawn)[1]) + 36
    drawn = drawn.replace("PICTURE_HEIGHT", f"{height:.0f}").replace("<text ", '<text xml:space="preserve" ')
    with open(os.path.join(IMAGES, f"{name}.svg"), "w", encoding="utf-8") as file:
        file.write(re.sub(r"[ \t]+\n", "\n", drawn))


def main():
    with Cluster() as old, Cluster() as new, tempfile.TemporaryDirectory() as directory:
        urls = old.create_database("legacy"), new.create_database("shop")
        execute(urls[0], shop.LEGACY_SCHEMA)
        execute(urls[0], shop.FILL.format(rows=CUSTOMERS))
        execute(urls[1], shop.NEW_SCHEMA)
        with ShopService(urls[0], LEGACY) as legacy_service, ShopService(urls[1], NEW) as new_service:
            port = free_port()
            spec = shop.SPEC.format(legacy=urls[0], new=urls[1], cohorts=demo.ROUTES, extra=demo.GATEWAY % port)
            for url, service in zip(urls, (legacy_service, new_service)):
                spec = spec.replace(f'database: "{url}"', f'database: "{url}", service: "{service.url}"')
            with Migration(directory, spec, *urls, shop.COMPARISONS, binary=demo.OXBOW) as migration:
                migration.up()
                migration.oxbow("advance", "customer", "--to", "mirrored", "--wait")
                readers = Readers(port, CUSTOMERS)
                with readers:
                    migration.wait_until(lambda: readers.answered > READS, 300, "people have read much")
                migration.wait_until(lambda: migration.ask("diff")["clusters"], 30, "a difference was found")
                draw("diff_list", ["diff"], migration)
                draw("diff", ["diff", migration.ask("diff")["clusters"][0]["id"][:6]], migration)


if __name__ == "__main__":
    sys.exit(main())
