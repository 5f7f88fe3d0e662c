"""Renew the pictures in docs/images from the builds they show: python docs/figures.py."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import layoutgen as lg

ROOT = Path(__file__).resolve().parent.parent
FIGURES = {"caravel_post": ("die", "wafer", "ball"), "caravel_wlcsp": ("die",)}


def main() -> None:
    """Build each example that a picture shows, and copy its previews."""
    with tempfile.TemporaryDirectory() as folder:
        for name, pictures in FIGURES.items():
            lg.write(lg.build(ROOT / f"examples/{name}.toml"), Path(folder) / name)
            for picture in pictures:
                target = ROOT / f"docs/images/{name}_{picture}.png"
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / name / f"preview/{picture}.png", target)


if __name__ == "__main__":
    main()
