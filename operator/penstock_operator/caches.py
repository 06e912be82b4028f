"""All stores together: everything that the operator knows of the cluster."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from penstock_operator import views
from penstock_operator.core import room
from penstock_operator.resources import CUSTOM_KINDS, JOB_SET, OPTIONAL_KINDS, WATCHED_KINDS
from penstock_operator.store import Change, Index, Object, Store, controller_of, key_of
from penstock_spec import names

Listener = Callable[[Change], None]


def _of_pipeline(run: Object) -> Iterable[str]:
    name = (run.get("spec") or {}).get("pipeline")
    return (f"{run['metadata']['namespace']}/{name}",) if name else ()


def _of_run(pod: Object) -> Iterable[str]:
    name = (pod["metadata"].get("labels") or {}).get(names.LABEL_RUN)
    return (f"{pod['metadata']['namespace']}/{name}",) if name else ()


def _of_endpoint(pod: Object) -> Iterable[str]:
    name = (pod["metadata"].get("labels") or {}).get(names.LABEL_ENDPOINT)
    return (f"{pod['metadata']['namespace']}/{name}",) if name else ()


def _waits(run: Object) -> Iterable[str]:
    """The namespace of a run that waits for a place in it."""
    return (run["metadata"]["namespace"],) if room.claims(views.run(run)) else ()


def _live(job: Object) -> Iterable[str]:
    """The namespace of a run's Job or JobSet that is not over."""
    of_run = (controller_of(job) or {}).get("kind") == names.PIPELINE_RUN
    return (job["metadata"]["namespace"],) if of_run and views.is_live_job(job) else ()


_EXTRA: Mapping[str, Mapping[str, Index]] = {
    names.PIPELINE_RUN: {"pipeline": _of_pipeline, "waits": _waits},
    "Job": {"live": _live},
    JOB_SET: {"live": _live},
    "Pod": {"endpoint": _of_endpoint, "run": _of_run},
}


class Caches:
    """One store per kind. Whoever learns something tells it here, and `listener` hears what was news."""

    def __init__(self, listener: Listener, optional: Sequence[str] = ()) -> None:
        """`optional` are those of OPTIONAL_KINDS that are kept up to date; others only learn what is read."""
        self._listener = listener
        self.watched = (*WATCHED_KINDS, *optional)
        everything = (*CUSTOM_KINDS, *WATCHED_KINDS, *OPTIONAL_KINDS)
        self._stores = {kind: Store(kind, _EXTRA.get(kind, {})) for kind in everything}

    def __getitem__(self, kind: str) -> Store:
        return self._stores[kind]

    def sizes(self) -> Mapping[str, Callable[[], int]]:
        """For each kind, how many objects are known: to be asked when somebody looks."""
        return {kind: self._stores[kind].__len__ for kind in (*CUSTOM_KINDS, *self.watched)}

    def learn(self, kind: str, item: Object, *, live: bool = False) -> bool:
        """Take in a state of an object, from a watch, a read or the answer to a write.

        True where it was news.
        """
        return self._tell(self._stores[kind].put(item, live=live))

    def forget(self, kind: str, item: Object) -> bool:
        """Take in the end of an object. True where it was news."""
        return self._tell(self._stores[kind].remove(item))

    def compare(self, kind: str, namespace: str | None, listed: Iterable[Object], version: str) -> int:
        """Take in a full list, read at `version`, and forget what it lacks.

        Gives how many differences there were.
        """
        differences = 0
        present = set()
        for item in listed:
            present.add(key_of(item))
            differences += self.learn(kind, item)
        store = self._stores[kind]
        known = store.all() if namespace is None else store.find("namespace", namespace)
        for item in known:
            # What was made after the list was read is missing from it, and yet there.
            if key_of(item) not in present and not _after(item, version):
                differences += self.forget(kind, item)
        return differences

    def _tell(self, change: Change | None) -> bool:
        if change is None:
            return False
        self._listener(change)
        return True


def _after(item: Object, version: str) -> bool:
    try:
        return int(item["metadata"]["resourceVersion"]) > int(version)
    except ValueError:
        return False
