# SPDX-License-Identifier: Apache-2.0
"""Records in Firestore: one collection for each kind, `create()` and update-time preconditions.

Never uses a transaction (they queue up under contention). What is promised: `document.py`."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twinguard.errors import Misconfigured, Unavailable
from twinguard.ports import Json, Stored
from twinguard.state.document import (
    checked_id,
    checked_kind,
    decoded,
    in_utc,
    is_searchable,
    lost,
    matches,
    never_changes,
)
from twinguard.state.firestore_layout import (
    APPENDED,
    OrderedIds,
    document_for,
    name_for,
    stored_in,
    time_of,
    version_of,
)

if TYPE_CHECKING:
    from google.api_core.datetime_helpers import DatetimeWithNanoseconds
    from google.api_core.retry import Retry
    from google.cloud.firestore import Client, CollectionReference, DocumentSnapshot, Query

T = TypeVar("T")


class FirestoreRecords:
    """`Records` in a Firestore database (native mode). `timeout`: seconds a call may take.

    A failed call is tried again within `timeout`; a write recognises itself by its `write` token,
    so a lost answer never looks like somebody else's write. Needs roles/datastore.user."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        prefix: str = "",
        timeout: float = 10.0,
    ) -> None:
        self._project = project
        self._database = database
        self._prefix = prefix
        self._timeout = timeout
        self._made: tuple[int, Client] | None = None
        self._ids = OrderedIds()

    def get(self, kind: str, id: str) -> Stored | None:
        """The record, or None."""
        checked_kind(kind)
        checked_id(kind, id)
        snapshot = self._ask(lambda: self._snapshot(kind, id))
        return stored_in(snapshot) if snapshot.exists else None

    def put(
        self,
        kind: str,
        id: str,
        value: Mapping[str, Json],
        version: str | None,
        expires: dt.datetime | None = None,
    ) -> Stored:
        """Write if the record still has `version` (None: if there is none yet), else Conflict."""
        checked_kind(kind)
        checked_id(kind, id)
        if version == APPENDED:
            raise never_changes(kind, id)
        document = document_for(kind, id, value, expires)
        written = self._ask(lambda: self._write(kind, document, version))
        return Stored(id, decoded(document["value"]), written)

    def find(self, kind: str, /, **equal: str | bool) -> tuple[Stored, ...]:
        """All records of a kind whose top-level fields equal these, ordered by id.

        Equality alone is served by the automatic single-field indexes."""
        from google.cloud.firestore import FieldFilter, Query

        checked_kind(kind)
        query = Query(self._collection(kind))
        for name, field in equal.items():
            if is_searchable(name, field):
                query = query.where(filter=FieldFilter(f"fields.{name}", "==", field))
        found = (stored_in(snapshot) for snapshot in self._ask(lambda: self._all(query)))
        kept = (stored for stored in found if matches(stored.value, equal))
        return tuple(sorted(kept, key=lambda stored: stored.id))

    def newest(self, kind: str, limit: int) -> tuple[Stored, ...]:
        """The last records of a kind by id, the newest first."""
        from google.cloud.firestore import Query

        checked_kind(kind)
        query = Query(self._collection(kind)).order_by("id", direction=Query.DESCENDING)
        found = self._ask(lambda: self._all(query.limit(limit)))
        return tuple(stored_in(snapshot) for snapshot in found)

    def append(
        self,
        kind: str,
        value: Mapping[str, Json],
        expires: dt.datetime | None = None,
    ) -> str:
        """Add a record that `put` refuses to change; its id.

        Ids made by one process always rise; ids of two instances order by their clocks. The
        database itself would let another program change the record: grant nobody else access."""
        checked_kind(kind)
        document = document_for(kind, self._ids.next(), value, expires, appended=True)
        self._ask(lambda: self._write(kind, document, None))
        return str(document["id"])

    def purge(self, now: dt.datetime) -> int:
        """Delete the records that expired before `now`; how many.

        For databases without a TTL policy, and to be exact where one works in its own time."""
        from google.cloud.firestore import FieldFilter, Query

        expired = FieldFilter("expires_at", "<", in_utc(now))
        deleted = 0
        for collection in self._ask(self._collections):
            if collection.id.startswith(self._prefix):
                query = Query(collection).where(filter=expired).select(["write", "appended"])
                for document in self._ask(partial(self._all, query)):
                    deleted += self._ask(partial(self._delete, document))
        return deleted

    def _collections(self) -> list[CollectionReference]:
        found = self._client.collections(retry=_once(self._timeout), timeout=self._timeout)
        return list(found)

    def _all(self, query: Query) -> list[DocumentSnapshot[Any]]:
        return list(query.stream(retry=_once(self._timeout), timeout=self._timeout))

    def _snapshot(self, kind: str, id: str) -> DocumentSnapshot[Any]:
        document = self._collection(kind).document(name_for(id))
        return document.get(retry=_once(self._timeout), timeout=self._timeout)

    def _write(self, kind: str, document: dict[str, Any], version: str | None) -> str:
        """The version after writing, or Conflict unless the write is found to be ours."""
        from google.api_core import exceptions

        about, once = f"{kind} {document['id']!r}", _once(self._timeout)
        reference = self._collection(kind).document(name_for(document["id"]))
        try:
            if version is None:
                written = reference.create(document, retry=once, timeout=self._timeout)
            else:
                option = self._client.write_option(last_update_time=time_of(version, about))
                written = reference.update(document, option, retry=once, timeout=self._timeout)
        except (
            exceptions.AlreadyExists,
            exceptions.FailedPrecondition,
            exceptions.NotFound,
        ) as err:
            there = self._snapshot(kind, document["id"])
            if (there.to_dict() or {}).get("write") == document["write"]:
                return version_of(there.update_time)
            raise lost(kind, document["id"], version, exists=there.exists) from err
        return version_of(cast("DatetimeWithNanoseconds", written.update_time))

    def _delete(self, old: DocumentSnapshot[Any]) -> bool:
        """Delete a document unless it is not ours or was written anew."""
        from google.api_core import exceptions

        if not {"write", "appended"} <= (old.to_dict() or {}).keys():
            return False
        option = self._client.write_option(last_update_time=old.update_time)
        try:
            old.reference.delete(option=option, retry=_once(self._timeout), timeout=self._timeout)
        except (exceptions.FailedPrecondition, exceptions.NotFound):
            return False
        return True

    def _collection(self, kind: str) -> CollectionReference:
        return self._client.collection(f"{self._prefix}{kind}")

    @property
    def _client(self) -> Client:
        """The vendor's client, made at its first use and again after a fork (gRPC needs that)."""
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud.firestore import Client

        if self._made is None or self._made[0] != os.getpid():
            try:
                client = Client(project=self._project, database=self._database)
            except DefaultCredentialsError as err:
                raise Misconfigured(
                    f"no credentials for {self._place}; run as a service account,"
                    " or 'gcloud auth application-default login', or set FIRESTORE_EMULATOR_HOST",
                ) from err
            self._made = (os.getpid(), client)
        return self._made[1]

    @property
    def _place(self) -> str:
        return f"Firestore projects/{self._project}/databases/{self._database}"

    def _ask(self, call: Callable[[], T]) -> T:
        """Run one step, again while that can help, and turn the vendor's errors into ours."""
        from google.api_core import exceptions, retry
        from google.auth.exceptions import GoogleAuthError

        passing = retry.if_exception_type(
            exceptions.Aborted,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
        )
        again = retry.Retry(predicate=passing, initial=0.1, maximum=1.0, timeout=self._timeout)
        try:
            return again(call)()
        except exceptions.PermissionDenied as err:
            raise Unavailable(
                f"{self._place} refuses this account; grant it roles/datastore.user: {err}",
            ) from err
        except (exceptions.GoogleAPIError, GoogleAuthError) as err:
            raise Unavailable(
                f"{self._place} does not answer; see that the database exists"
                f" and https://status.cloud.google.com: {err}",
            ) from err


def _once(timeout: float) -> Retry:
    """A single attempt: `_ask` does the repeating, also for streams, which need a Retry here."""
    from google.api_core.retry import Retry

    return Retry(predicate=lambda _: False, timeout=timeout)
