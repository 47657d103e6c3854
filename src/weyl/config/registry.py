"""Who belongs to which virtual organisation: identity provider, users, groups and what groups may do."""

from pydantic import Field

from weyl.config.section import Number, Section, StringSet


class IdP(Section):
    """The identity provider at which the members of a VO log in."""

    url: str
    client_id: str


class Support(Section):
    """Whom the members of a VO ask for help."""

    email: str | None = None
    webpage: str | None = None
    message: str = "Please contact the support of your virtual organisation."


class User(Section):
    """One member of a VO, keyed by the subject that the identity provider gives them."""

    preferred_username: str
    # Left out where nothing is said: the published document has no such key.
    previous_subjects: list[str] = Field(default_factory=list, exclude_if=lambda value: not value)
    dns: list[str] = Field(default_factory=list)
    email: str | None = None
    suspended: list[str] = Field(default_factory=list)
    quota: int | None = None


class Group(Section):
    """A set of members with the properties that they hold while they act in it."""

    properties: StringSet = frozenset()
    users: StringSet = frozenset()
    job_share: Number = Field(default=1000, ge=0)
    quota: int | None = None
    allow_background_tqs: bool = False
    voms_role: str | None = None
    auto_add_voms: bool = False
    auto_upload_pilot_proxy: bool = False
    auto_upload_proxy: bool = False
    auto_sync_voms: bool = False


class Organisation(Section):
    """A virtual organisation."""

    idp: IdP
    default_group: str
    support: Support = Support()
    default_storage_quota: Number = 0
    default_proxy_life_time: int = 43_200
    voms_name: str | None = None
    users: dict[str, User] = Field(default_factory=dict)
    groups: dict[str, Group] = Field(default_factory=dict)
