"""What others have imported, for what is looked at but never imported for our sake."""

from __future__ import annotations

import sys
from typing import Any


def loaded(name: str) -> Any:
    """Return a module that has been imported, or None; also None as long as a thread is still importing it.

    `sys.modules` holds a module from the first of its lines on, so what another thread finds there may be half a
    module. Whoever holds a value that a module has made does not meet one: that module's import is over.
    ``_initializing`` is what the import statement itself goes by.
    """
    if sys.modules is None:  # the interpreter is being taken down
        return None
    module = sys.modules.get(name)
    if module is None or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return None
    return module
