"""Surfaces: each painter takes a generator and a size and returns a `Canvas` without cracks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flawscope.data.synthetic.canvas import Canvas
from flawscope.data.synthetic.textures.asphalt import asphalt
from flawscope.data.synthetic.textures.coatings import painted_steel, plaster
from flawscope.data.synthetic.textures.concrete import concrete
from flawscope.data.synthetic.textures.masonry import brick
from flawscope.data.synthetic.textures.rubble import rubble

Painter = Callable[[np.random.Generator, tuple[int, int]], Canvas]

TEXTURES: dict[str, Painter] = {
    "asphalt": asphalt,
    "brick": brick,
    "concrete": concrete,
    "plaster": plaster,
    "painted-steel": painted_steel,
    "rubble": rubble,
}
