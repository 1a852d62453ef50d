"""Which images are taken, and what their outputs are called."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from flawscope.errors import ImageError, UsageError
from flawscope.images.sources import is_image_name, list_images, read_image


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_names() -> None:
    assert is_image_name("A.JPG")
    assert is_image_name("x/y.tiff")
    assert is_image_name("phone.HEIC")
    assert not is_image_name("._a.jpg")
    assert not is_image_name("notes.txt")


def test_subfolders_are_mirrored_and_others_counted(tmp_path: Path) -> None:
    _touch(tmp_path, "b.jpg", "sub/a.png", "notes.txt", ".DS_Store", ".hidden/z.jpg")
    images, skipped = list_images([tmp_path])
    assert [image.stem_path for image in images] == ["b", "sub/a"]
    assert skipped == 2


def test_two_images_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "a.png", "b.jpg", "sub/a.jpg")
    images, _ = list_images([tmp_path])
    assert [image.stem_path for image in images] == ["a.jpg", "a.png", "b", "sub/a"]


def test_names_stay_apart_where_case_does_not_count(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "A.png", "a.jpg.png", "A.JPG")
    images, _ = list_images([tmp_path])
    names = [image.stem_path.casefold() for image in images]
    assert len(set(names)) == len(images)


@pytest.mark.parametrize(
    ("files", "stems"),
    [
        (["a.JPG", "a.jpg", "a.jpg.tif", "a.png"], ["a.JPG", "a-2.jpg", "a.jpg.tif", "a.png"]),
        (["a.jpg", "a.jpg.png", "a.png"], ["a.jpg", "a.jpg.png", "a.png"]),
        (["a.jpg", "a.jpg.jpg"], ["a", "a.jpg"]),
        (["A.jpg", "a-2.jpg", "a-2.png", "a.jpg"], ["A.jpg", "a-2.jpg", "a-2.png", "a-3.jpg"]),
    ],
)
def test_suffixes_stay_last_in_the_names_of_equal_stems(
    tmp_path: Path, files: list[str], stems: list[str]
) -> None:
    _touch(tmp_path, *files)
    if len(list(tmp_path.iterdir())) < len(files):
        pytest.skip("this file system does not tell case apart")
    images, _ = list_images([tmp_path])
    assert {image.name: image.stem_path for image in images} == dict(zip(files, stems, strict=True))


def test_images_keep_their_own_names(tmp_path: Path) -> None:
    _touch(tmp_path, "x.jpg", "x.jpg.jpg", "a.jpg", "A.JPG", "sub/x.jpg", "photo.dat")
    images, _ = list_images([tmp_path, tmp_path / "photo.dat"])
    names = [image.name for image in images]
    assert names == ["A.JPG", "a.jpg", "x.jpg", "x.jpg.jpg", "sub/x.jpg", "photo.dat"]


def test_images_of_two_roots_have_two_names(tmp_path: Path) -> None:
    _touch(tmp_path, "one/p/a.jpg", "two/p/a.jpg", "three/a.jpg", "three/b.jpg")
    images, _ = list_images([tmp_path / "one" / "p", tmp_path / "two" / "p", tmp_path / "three"])
    assert [image.name for image in images] == ["p/a.jpg", "p/a.jpg-2", "three/a.jpg", "b.jpg"]


def test_several_roots(tmp_path: Path) -> None:
    _touch(tmp_path, "one/a.jpg", "two/a.jpg", "two/b.jpg")
    images, _ = list_images([tmp_path / "one", tmp_path / "two", tmp_path / "one" / "a.jpg"])
    assert [image.stem_path for image in images] == ["one/a", "two/a", "b"]


def test_output_folder_inside_the_input_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "out/overlays/a.jpg")
    images, _ = list_images([tmp_path], exclude=[tmp_path / "out"])
    assert [image.stem_path for image in images] == ["a"]


@pytest.mark.parametrize("kept", [".flawscope/probe", "run.json"])
def test_pictures_of_an_earlier_inspection_are_skipped(tmp_path: Path, kept: str) -> None:
    _touch(tmp_path, "a.jpg", "old/masks/sub/a.png", "old/overlays/a.jpg", "old/b.jpg", "old/explain/a.png")
    _touch(tmp_path, f"old/{kept}")
    (tmp_path / "old" / "run.json").write_text('{"schema": 1, "flawscope_version": "0.1"}')
    images, skipped = list_images([tmp_path])
    assert [image.stem_path for image in images] == ["a", "old/b"]
    assert skipped == 4


@pytest.mark.parametrize("text", ["[1]", "{}", "{", "[" * 100_000, "\udcff"])
def test_masks_beside_a_foreign_run_json_are_pictures(tmp_path: Path, text: str) -> None:
    _touch(tmp_path, "masks/a.png")
    (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    images, skipped = list_images([tmp_path])
    assert [image.name for image in images] == ["masks/a.png"]
    assert skipped == 1


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path, "in/z/a.jpg", "in/b.jpg", "far/c.jpg", "far/deep/d.jpg")
    try:
        (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "z", target_is_directory=True)
        (tmp_path / "in" / "far").symlink_to(tmp_path / "far", target_is_directory=True)
        (tmp_path / "far" / "deep" / "round").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "in" / "gone").symlink_to(tmp_path / "nowhere", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    images, _ = list_images([tmp_path / "in"])
    assert [image.name for image in images] == ["b.jpg", "z/a.jpg", "far/c.jpg", "far/deep/d.jpg"]
    images, _ = list_images([tmp_path / "in"], exclude=[tmp_path / "far"])
    assert [image.name for image in images] == ["b.jpg", "z/a.jpg"]


def test_folder_that_cannot_be_looked_into_is_listed_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "a.jpg", "locked.jpg", "sub/locked/b.jpg")
    _lock(tmp_path / "sub" / "locked", monkeypatch)
    images, _ = list_images([tmp_path])
    assert [image.name for image in images] == ["a.jpg", "locked.jpg", "sub/locked/"]
    assert [image.stem_path for image in images][:2] == ["a", "locked"]
    with pytest.raises(ImageError, match=r"cannot be read \(Permission denied"):
        read_image(images[-1].path)
    images, _ = list_images([tmp_path / "sub" / "locked"])
    assert [image.name for image in images] == ["locked/"]


def _lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the right to list a folder, also from a user who may do everything."""
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_pipe_given_by_name_is_no_folder(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(tmp_path / "x.jpg")
    images, _ = list_images([tmp_path / "x.jpg"])
    assert [image.name for image in images] == ["x.jpg"]


def test_path_that_cannot_be_looked_up() -> None:
    with pytest.raises(UsageError, match="cannot be looked up"):
        list_images(["x" * 5000])


def test_file_given_by_name_is_taken(tmp_path: Path) -> None:
    _touch(tmp_path, "photo.dat")
    images, skipped = list_images([tmp_path / "photo.dat"])
    assert [image.stem_path for image in images] == ["photo"]
    assert skipped == 0


def test_absent_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        list_images([tmp_path / "nothing"])


def test_empty_folder(tmp_path: Path) -> None:
    assert list_images([tmp_path]) == ([], 0)
