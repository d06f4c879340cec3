"""Arguments that have no content to be known by: never guessed, the call runs and says so."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Arguments without content")
refused = GROUP.refused

refused("an iterator", "iter([1, 2])")
refused("a generator", "(i for i in range(3))")
refused("map", "map(abs, [1])")
refused("zip", "zip([1], [2])")
refused("enumerate", "enumerate([1])")
refused("an open file", "open(__file__)")
refused("a bare object", "object()")
refused("a lock", "threading.Lock()")
refused("a socket", "socket.socket()")
refused("a queue", "queue.Queue()")
refused("a weak reference", "weakref.ref(Plain)")
refused("a frame", "sys._getframe()")
refused("a generator in a list", "[1, (i for i in 'ab')]")
refused("an object that holds a lock", "Plain(lock=threading.Lock())")
