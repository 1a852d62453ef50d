"""Which images are taken, and what their outputs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.errors import UsageError
from flawscope.images.sources import is_image_name, list_images


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
