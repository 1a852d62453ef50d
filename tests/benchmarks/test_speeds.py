"""The timing benchmarks, each at a tiny size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import explore_speed
import help_time
import install
import rle_speed
import synth_speed
from common import ROOT


def test_quiet_minute_is_24_steps_and_leaves_threads_alone() -> None:
    torch = pytest.importorskip("torch")
    quiet_minutes = pytest.importorskip("quiet_minutes")
    threads = torch.get_num_threads()
    seconds = quiet_minutes.measure_quiet_minute(steps=1, threads=1, batch=2, crop_px=32)
    assert 0 < seconds < 600 and torch.get_num_threads() == threads
    assert (quiet_minutes.STEPS, quiet_minutes.BATCH, quiet_minutes.CROP_PX) == (24, 8, 256)


def test_quiet_minute_takes_the_median_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    import quiet_minutes

    monkeypatch.setattr(quiet_minutes, "_step_seconds", lambda *_: [1.0, 2.0, 30.0])
    assert quiet_minutes.measure_quiet_minute(3) == 48


def test_help_is_timed() -> None:
    figures = help_time.measure(runs=1)
    assert figures["help_s"] > 0 and figures["inspect_help_s_max"] >= figures["inspect_help_s"]


def test_synthetic_images_are_timed() -> None:
    figures = synth_speed.measure(count=5, workers=1, size_hw=(48, 48))
    assert figures["images"] == 5 and figures["images_per_s"] > 0 and figures["images_per_s_steady"] > 0


def test_random_augmentation_is_timed() -> None:
    pytest.importorskip("torch")
    augment_speed = pytest.importorskip("augment_speed")
    figures = augment_speed.measure(images=3, size_px=48)
    assert figures["images_per_s"] > 0 and len(figures["step_ms"]) == 19


def test_crops_are_timed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    loader_speed = pytest.importorskip("loader_speed")
    from flawscope.data.synthetic.stream import SynthStream, write_dataset

    write_dataset(SynthStream("concrete", 1, (64, 64), 6, clean_share=0.0), tmp_path / "set")
    from flawscope.training.config_load import load_config

    for cached, items in ((False, 5), (True, 20)):
        images = loader_speed.make_images(tmp_path / "set", load_config("crack-quick"), cached, most=5)
        assert len(images) == items
        figures = loader_speed.measure(images, batches=2, batch=4, workers=0)
        assert figures["crops"] in (5, 8) and figures["crops_per_cpu_s"] > 0


def test_folder_sizes_count_hard_links_once_and_links_never(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3_000_000))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    assert install.folder_mb(tmp_path) == 3


def test_the_install_does_not_see_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "src")
    assert "PYTHONPATH" not in install.environment(cache=True)
    assert install.environment(cache=False)["PIP_NO_CACHE_DIR"] == "1"
    assert "UV_NO_CACHE" not in install.environment(cache=True) or "UV_NO_CACHE" in __import__("os").environ


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_says_what_it_does(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith('"""'), "a script begins by saying what it measures"
    if "def main()" not in text:
        return
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    images = "--folder" if script.stem in ("steel_folds", "two_step") else "--data"
    assert images in done.stdout and "--json" in done.stdout


def test_rle_speed() -> None:
    pytest.importorskip("pycocotools")
    masks = rle_speed.drawn_masks(1)
    figures = rle_speed.measure(masks, repeats=1)
    assert figures["masks"] == len(masks) >= 1
    assert figures["encode_ratio"] > 0
    assert figures["decode_ratio"] > 0


def test_masks_for_rle_speed_are_whole() -> None:
    for mask in rle_speed.drawn_masks(2):
        assert mask.shape == rle_speed.SIZE_HW
        assert mask.any()
        assert mask.max() == 1
    assert rle_speed.real_masks(None) == []


def test_exploring_is_timed(tmp_path: Path) -> None:
    figures = explore_speed.measure(tmp_path, count=3, workers=1, quiet_minute_s=30.0)
    assert figures["images"] == 3 and figures["seconds"] > 0 and figures["synth_s"] > 0
    assert figures["quiet_minutes"] == pytest.approx(figures["seconds"] / 30)
    if Path("/proc/self/smaps_rollup").is_file():
        assert figures["peak_resident_mb"] >= figures["peak_proportional_mb"] > 10
    again = explore_speed.make_set(tmp_path / "steel-3", 3, 1)
    assert again is None, "strips that are there are not drawn anew"
    with pytest.raises(SystemExit):
        explore_speed.make_set(tmp_path / "steel-3", 4, 1)


def test_the_bars_for_exploring() -> None:
    good = {"quiet_minutes": 5.9, "peak_resident_mb": 990.0}
    explore_speed.check(good)
    for worse in ({"quiet_minutes": 6.1}, {"peak_resident_mb": 1001.0}):
        with pytest.raises(SystemExit):
            explore_speed.check(good | worse)


def test_a_process_tree_holds_children() -> None:
    if not Path("/proc/self/stat").is_file():
        pytest.skip("there is no /proc")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in explore_speed.process_tree(os.getpid())
        child.communicate(b"\n")


@pytest.mark.slow
def test_exploring_five_hundred_strips_is_fast_and_small(tmp_path: Path) -> None:
    figures = explore_speed.measure(tmp_path, count=500)
    # 6 quiet minutes of 69 s on two cores are 66 ms of a core an image.
    assert figures["core_ms_per_image"] < 66
    assert (figures["peak_resident_mb"] or 0) < explore_speed.MOST_MB
