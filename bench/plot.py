#!/usr/bin/env python3
"""Draws the runs of rwkv_bench: tokens per second of each weight format beside what the memory allows, and milliseconds
per token against the position in a text.

    build/release/bench/rwkv_bench --shape 169m --format f32,f16,bf16,q8,q4 --json > formats.json
    build/release/bench/rwkv_bench --shape 169m --format f32,q8 -t 2 --positions 100000 --json > positions.json
    python3 bench/plot.py formats.json --decode decode.svg
    python3 bench/plot.py positions.json --positions positions.svg
"""
import argparse
import json
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "rwkv"  # the same picture from the same figures
matplotlib.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
import matplotlib.pyplot as plt
import matplotlib.ticker

COLOURS = ["#4477aa", "#ee6677"]


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_decode(run, path):
    rows = [row for row in run["rows"] if row["work"] == "decode"]
    formats = list(dict.fromkeys(row["format"] for row in rows))
    threads = sorted({row["threads"] for row in rows})
    width = 0.8 / len(threads)
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for i, count in enumerate(threads):
        of_count = {row["format"]: row for row in rows if row["threads"] == count}
        places = [j + (i - (len(threads) - 1) / 2) * width for j in range(len(formats))]
        speeds = [of_count[name]["tokens_per_second"] for name in formats]
        limits = [row["tokens_per_second"] / row["share"] for row in (of_count[name] for name in formats)]
        axes.bar(places, speeds, 0.92 * width, color=COLOURS[i % 2], label=f"{count} thread" + "s" * (count > 1))
        for place, speed, limit in zip(places, speeds, limits):
            axes.annotate(f"{speed:.0f}", (place, max(speed, limit)), (0, 3), textcoords="offset points", ha="center",
                          fontsize=8)
        axes.hlines(limits, [place - 0.46 * width for place in places], [place + 0.46 * width for place in places],
                    color="black", linewidth=1.2, label="what memory allows" if i == 0 else None)
    axes.set_xticks(range(len(formats)), formats)
    axes.set_ylabel("tokens per second")
    axes.set_title(f"Decoding, {run['model']} shape, {run['processor']}", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def draw_positions(run, path):
    rows = [row for row in run["rows"] if row["work"] == "position"]
    figure, axes = plt.subplots(figsize=(7, 3.4))
    for i, name in enumerate(dict.fromkeys(row["format"] for row in rows)):
        of_format = [row for row in rows if row["format"] == name]
        positions = [row["position"] for row in of_format]
        axes.plot(positions, [row["decode_ms"] for row in of_format], "o-", color=COLOURS[i % 2], markersize=4,
                  label=f"{name}, decoding")
        axes.plot(positions, [row["prompt_ms"] for row in of_format], "s:", color=COLOURS[i % 2], markersize=3,
                  label=f"{name}, reading a prompt")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("position in the text, tokens")
    axes.set_ylabel("milliseconds per token")
    axes.set_title(f"{run['model']} shape, {rows[0]['threads']} threads, {run['processor']}", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="what rwkv_bench --json printed")
    parser.add_argument("--decode", type=pathlib.Path, metavar="SVG")
    parser.add_argument("--positions", type=pathlib.Path, metavar="SVG")
    options = parser.parse_args()
    run = json.loads(options.run.read_text())
    if options.decode:
        draw_decode(run, options.decode)
    if options.positions:
        draw_positions(run, options.positions)


if __name__ == "__main__":
    main()
