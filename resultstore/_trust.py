"""Whom a store's bytes may come from, and what follows for pickle."""

from __future__ import annotations

from resultstore import _rights
from resultstore._report import Reporter
from resultstore._settings import Settings

_told_unknown: set[object] = set()


def knows_key(settings: Settings) -> bool:
    """Say whether this process can read and write what the settings say, and tell once if not."""
    signer = settings.signer
    if signer is None or signer.is_known:
        return True
    if signer not in _told_unknown:
        from resultstore._signing import VARIABLE

        _told_unknown.add(signer)
        Reporter().warn(
            "",
            "unsigned",
            f"the signing_key of the store {settings.place} did not come along to this process, so nothing is read or "
            f"stored here. Set {VARIABLE} in its environment, or open the store in a module that it imports.",
        )
    return False


class Trust:
    """What one store takes from those who can write to its directory.

    Parameters
    ----------
    settings
        What the store was told.
    reporter
        Tells people.
    """

    def __init__(self, settings: Settings, reporter: Reporter) -> None:
        self._settings = settings
        self._reporter = reporter
        self._others: bool | None = None
        if settings.shared is not None:
            _rights.share(settings.place)
            self._tell_private()
        self.may_pickle()  # what is to be told of a directory that is there already is told now

    def others_can_write(self) -> bool:
        """Say whether anybody else could have written what lies here: rows that are signed, nobody could."""
        if self._settings.signer is not None:
            return False
        if self._others is None:
            who = _rights.others_can_write(self._settings.place)
            if who is not None or self._settings.shared is not None or _rights.is_shared(self._settings.place):
                self._others = True
                self._tell(who or "others")
            elif _rights.exists(self._settings.place):
                self._others = False
        return bool(self._others)

    def may_pickle(self) -> bool:
        """Decide on pickle: by the option, else by whether others could plant one."""
        if self._settings.allow_pickle is not None:
            return self._settings.allow_pickle
        return not self.others_can_write()

    def _tell(self, who: str) -> None:
        if self._settings.allow_pickle is None:
            self._reporter.warn(
                "",
                "pickle",
                f"{who} can write to {self._settings.place}, so pickled results are neither written nor read. "
                "Make the directory yours alone (chmod 700), pass signing_key=..., or allow_pickle=True if you trust "
                "them.",
            )

    def _tell_private(self) -> None:
        place = self._settings.place
        if _rights.is_for_one(place):
            self._reporter.warn(
                "",
                "shared",
                f'{place} was made without shared="group", and what is there is left as it is: only what is made from '
                "now on is for the group. To change it: chgrp, chmod -R g+rwX, and chmod g+s on directories.",
            )
