"""Every exception that a user of flawscope can meet.

::

    FlawscopeError                 exit code 3 unless a subclass says otherwise
    +-- UsageError                 2: the call itself is wrong
    |   +-- ConfigError            2: a configuration key or value is wrong
    |   +-- MissingExtraError      2: an optional dependency is not installed
    +-- DataError                  3: a data set cannot be used
    |   +-- LayoutError            2: its layout cannot be told, or its encoding is ambiguous
    |   +-- ClassMappingError      2: truth and model classes cannot be matched without --map
    +-- ImageError                 1: one image (or its mask) cannot be read; the others go on
    +-- BundleError                3: a model bundle is unsafe, incomplete, tampered with or too new
    +-- TrainingError              3: training cannot go on (NaN loss, ...)
    +-- ParityError                3: an exported network disagrees with the trained one
    +-- OutputError                3: results cannot be written
    +-- MemoryLimitError           1: an image needs more memory than allowed

A message has one or two lines: what was found, what was expected, what to do.
"""

from __future__ import annotations


class FlawscopeError(Exception):
    """Base of all errors that flawscope raises on purpose."""

    exit_code: int = 3


class UsageError(FlawscopeError):
    """The call is wrong: an unknown option value, a missing argument."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration holds an unknown key or a value out of range."""


class MissingExtraError(UsageError):
    """An optional dependency is needed and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed.\n"
            f"Install them with: pip install 'flawscope[{extra}]'"
        )
        self.extra = extra


class DataError(FlawscopeError):
    """A data set cannot be used as it is."""


class LayoutError(DataError):
    """The layout of a data set cannot be told, or its masks can be read in two ways."""

    exit_code = 2


class ClassMappingError(DataError):
    """The classes of a data set and of a model cannot be matched."""

    exit_code = 2


class ImageError(FlawscopeError):
    """One image or mask cannot be read; others may still be."""

    exit_code = 1


class BundleError(FlawscopeError):
    """A model bundle is unsafe, incomplete, tampered with, or of a newer schema."""


class TrainingError(FlawscopeError):
    """Training cannot go on; the last good checkpoint is kept."""


class ParityError(FlawscopeError):
    """An exported network does not agree with the network it came from."""


class OutputError(FlawscopeError):
    """Results cannot be written: no right, no space, not a folder."""


class MemoryLimitError(ImageError):
    """An image needs more memory than there is or than was allowed."""
