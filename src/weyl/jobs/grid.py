"""The grid as one VO sees it at one moment: its sites, which of them are closed, and what can be read where."""

from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.models import Config
from weyl.resource_status.claims import Claims, Element
from weyl.resource_status.models import Kind
from weyl.resource_status.statuses import state_of, usable


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage element: the sites where its files are local, and why nothing can be read from it now."""

    sites: frozenset[str]
    is_tape: bool
    closed: str | None = None


@dataclass(slots=True)
class Grid:
    """Answers for one VO; each place is looked at once."""

    config: Config
    claims: Claims
    vo: str
    now: datetime
    _sites: frozenset[str] | None = None
    _closed: dict[str, str | None] = field(default_factory=dict)
    _storage: dict[str, Storage] = field(default_factory=dict)

    @property
    def sites(self) -> frozenset[str]:
        """Every site that the VO may use."""
        if self._sites is None:
            places = self.config.resources.sites
            self._sites = frozenset(name for name, site in places.items() if site.serves(self.vo))
        return self._sites

    def closed(self, site: str) -> str | None:
        """Return why a site takes no work now; None if it does."""
        if site not in self._closed:
            told = usable(self.config, self.claims, self.vo, site=site, ce=None, now=self.now)
            self._closed[site] = told.reason
        return self._closed[site]

    def storage(self, name: str) -> Storage:
        """Return a storage element; one that the configuration does not have can be read nowhere."""
        if name not in self._storage:
            self._storage[name] = self._read(name)
        return self._storage[name]

    def _read(self, name: str) -> Storage:
        configured = self.config.resources.storage_elements.get(name)
        if configured is None:
            return Storage(frozenset(), is_tape=False, closed=f"{name} is no storage element of this installation")
        state = state_of(self.config, self.claims, Element(Kind.STORAGE, name, "read"), self.vo, now=self.now)
        closed = None if state.is_usable else f"{name}: {state.reason or state.status}"
        return Storage(self.sites & set(configured.sites), configured.medium == "tape", closed)
