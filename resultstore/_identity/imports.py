"""What an ``import`` statement inside a function names and brings."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from resultstore._identity.origins import Owner, owner_of_import
from resultstore._identity.whose import MISSING


def absolute_name(
    scope: dict[str, Any], module: str, level: int, taken: str | None, top: str
) -> tuple[str, Owner | None, str]:
    """Return the full name of what an ``import`` statement names, whose it is, and what the statement binds."""
    if not level:
        return module, owner_of_import(module), top
    import importlib.util

    package = scope.get("__package__") or str(scope.get("__name__")).rpartition(".")[0]
    try:
        absolute = importlib.util.resolve_name("." * level + module, package)
    except ImportError:
        absolute = module
    return absolute, owner_of_import(absolute), absolute


def imported(absolute: str, taken: str | None, top: str) -> Any:
    """Return what an ``import`` statement inside a function brings: it is run, as the function would run it."""
    try:
        found: Any = importlib.import_module(absolute)
        if taken is None:
            return sys.modules[top]
        return getattr(found, taken) if hasattr(found, taken) else importlib.import_module(f"{absolute}.{taken}")
    except (Exception, SystemExit):  # whatever a module's own code raises: the function will meet it too
        return MISSING
