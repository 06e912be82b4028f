"""The last known state of the objects of one kind, and who belongs to whom.

Plain dicts behind a guard of versions.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator import field_managers
from penstock_spec import names

Object = dict[str, Any]
Key = tuple[str, str]  # namespace, name
Index = Callable[[Object], Iterable[str]]

BURIED = 20_000  # uids of deleted objects to remember, so that a late event does not bring them back


@dataclass(frozen=True)
class Change:
    """What a store learned: `before` is None for a new object, `after` is None for a deleted one."""

    kind: str
    before: Object | None
    after: Object | None

    @property
    def subject(self) -> Object:
        """The object as it was last."""
        if self.after is not None:
            return self.after
        if self.before is None:
            raise ValueError("a change of nothing")
        return self.before


def key_of(item: Object) -> Key:
    """Namespace and name."""
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]


def controller_of(item: Object) -> Mapping[str, Any] | None:
    """The owner reference of the controller, or None."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), None)


def is_newer(candidate: Object, current: Object) -> bool:
    """Whether `candidate` may take the place of `current`, which holds the same name.

    Versions of one kind are integers that grow, across uids too (KEP-5504). Where a server's are not
    integers, the later arrival wins, and the next full comparison puts right what that got wrong.
    """
    one, other = candidate["metadata"]["resourceVersion"], current["metadata"]["resourceVersion"]
    if one == other:
        return False
    try:
        return int(one) > int(other)
    except ValueError:
        return True


def _owner_uid(item: Object) -> Iterable[str]:
    owner = controller_of(item)
    return () if owner is None else (owner["uid"],)


def _namespace(item: Object) -> Iterable[str]:
    return (item["metadata"].get("namespace", ""),)


def _uid(item: Object) -> Iterable[str]:
    return (item["metadata"]["uid"],)


@dataclass
class Store:
    """Objects of one kind by namespace and name, with indexes.

    Uid, owner, namespace, and what the caller adds.
    """

    kind: str
    extra: Mapping[str, Index] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexes: dict[str, Index] = {
            "uid": _uid,
            "owner": _owner_uid,
            "namespace": _namespace,
            **self.extra,
        }
        # Keys in order of arrival: a dict keeps that order, a set would not.
        self._found: dict[str, dict[str, dict[Key, None]]] = {
            name: defaultdict(dict) for name in self._indexes
        }
        self._buried: OrderedDict[str, Object] = OrderedDict()  # the last version of each uid

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Object | None:
        """The object of this name, or None."""
        return self._objects.get((namespace, name))

    def find(self, index: str, value: str) -> list[Object]:
        """The objects that `index` files under `value`."""
        return [self._objects[key] for key in self._found[index].get(value, ())]

    def all(self) -> list[Object]:
        """Every object."""
        return list(self._objects.values())

    def put(self, item: Object, *, live: bool = False) -> Change | None:
        """Take in a state of an object.

        None where it is not newer than what is known, or belongs to an object that is gone. A `live` read
        brings an object back that only seemed to go: one that lost the label by which it is watched.
        """
        key, uid = key_of(item), item["metadata"]["uid"]
        before = self._objects.get(key)
        if self._is_gone(uid, item, live=live) or (before is not None and not is_newer(item, before)):
            return None
        self._buried.pop(uid, None)
        # Hardly anybody here reads who wrote which field, and it is half of a small object.
        entries = item["metadata"].pop("managedFields", None)
        if self.kind == names.MODEL_ENDPOINT and entries is not None:
            item["metadata"][field_managers.KEY] = field_managers.managers_of(entries)
            item["metadata"][field_managers.MONITORED_KEY] = field_managers.monitored_at(entries)
        if before is not None:
            self._unfile(key, before)
            if before["metadata"]["uid"] != uid:
                self._bury(before)
        self._objects[key] = item
        self._file(key, item)
        return Change(self.kind, before, item)

    def remove(self, item: Object) -> Change | None:
        """Take in the end of an object. None where it is not known, or another one holds its name by now."""
        key, uid = key_of(item), item["metadata"]["uid"]
        self._bury(item)
        before = self._objects.get(key)
        if before is None or before["metadata"]["uid"] != uid:
            return None
        self._unfile(key, before)
        del self._objects[key]
        return Change(self.kind, before, None)

    def _file(self, key: Key, item: Object) -> None:
        for name, index in self._indexes.items():
            for value in index(item):
                self._found[name][value][key] = None

    def _unfile(self, key: Key, item: Object) -> None:
        for name, index in self._indexes.items():
            for value in index(item):
                keys = self._found[name][value]
                keys.pop(key, None)
                if not keys:
                    del self._found[name][value]

    def _is_gone(self, uid: str, item: Object, *, live: bool) -> bool:
        """Whether this state is from before the end of its object."""
        end = self._buried.get(uid)
        if end is None:
            return False
        return not (is_newer(item, end) or (live and not is_newer(end, item)))

    def _bury(self, item: Object) -> None:
        meta = item["metadata"]
        self._buried[meta["uid"]] = {"metadata": {"resourceVersion": meta["resourceVersion"]}}
        self._buried.move_to_end(meta["uid"])
        if len(self._buried) > BURIED:
            self._buried.popitem(last=False)
