"""What each key of the configuration means, in words for whoever edits it: the text of the generated reference."""

# Section -> key -> meaning. A test compares the keys with the models in weyl.config.
KEPT = "Kept for clients that read it; weyl does not use it."
LATER = "Read and checked, but not used by this release."

JOB_HINTS = {
    "Group": "JobGroup of the job.",
    "LogLevel": "Kept with the job, without effect.",
    "Priority": "Order among one's own jobs, within the bounds of JobDescription.",
    "CPUWork": "As CPUTime of JDL, in seconds.",
    "Platform": "As Platform of JDL.",
    "Sites": "The only sites where it may run.",
    "BannedSites": "Sites where it must not run.",
    "Tags": "Tags that a node must have, all of them.",
    "OutputSandbox": "Patterns of files that are kept with the standard output.",
    "OutputPath": "Directory of `output_data` that says none: absolute, or below the home of the owner.",
    "RequirementsTemplate": "Requirements document that is laid over what the document's own requirements come to, or a"
    " list of 2 to 8 alternatives.",
}

STORAGE_ELEMENT = {
    "Status": "Statuses for every VO that does not say otherwise.",
    "Medium": "`disk`, or `tape`: what is on tape is staged before a job may read it.",
    "VOs": "VOs that may use it; every VO if left out.",
    "Checksums": "Checksums that the storage can tell and is believed: `adler32`, `md5`, `sha1`, `sha256`. Where it"
    " tells none that a file has, weyl reads the file back.",
    "PathMax": "Longest path that it keeps, in bytes.",
    "Endpoints": "Its endpoints, in order of preference; at most 16.",
}

MEANINGS: dict[str, dict[str, str]] = {
    "Config": {
        "DIRAC": "The installation as a whole.",
        "Registry": "The VOs, by name.",
        "Operations": "How each VO works, by name; `Defaults` holds for all that do not say otherwise.",
        "Resources": "Sites, storage elements and transfer servers.",
        "Tasks": "Background work of the installation; see [Background work](tasks.md).",
        "Extensions": "What installed extensions want to know, a section each, by the name of the extension.",
        **dict.fromkeys(("LocalSite", "LogLevel", "MCTestingDestination", "Systems", "WebApp"), KEPT),
    },
    "Installation": {"NoSetup": KEPT},
    "Organisation": {
        "IdP": "Where members log in.",
        "DefaultGroup": "The group of a login that names none.",
        "Support": "Whom members ask for help; shown where a login is refused.",
        "Users": "Members by their subject (`sub`) at the identity provider.",
        "Groups": "Groups by name.",
        **dict.fromkeys(("DefaultStorageQuota", "DefaultProxyLifeTime", "VOMSName"), KEPT),
    },
    "IdP": {
        "URL": "Issuer; `/.well-known/openid-configuration` must answer below it.",
        "ClientID": "Our client id there; a public client with PKCE, no secret.",
    },
    "Support": {
        "Email": "Address that members write to.",
        "Webpage": "Page that helps members.",
        "Message": "Sentence shown with the two.",
    },
    "User": {
        "PreferedUsername": "Name under which the user owns jobs (spelt as in the published document); no other user of"
        " the VO may have it.",
        "PreviousSubjects": "Subjects that had this name before: the user takes over the name and its jobs"
        " ([how](configuration.md#names-of-users)).",
        "Suspended": "Put the name of the VO in this list to lock the user out, tokens in use included.",
        **dict.fromkeys(("DNs", "Email", "Quota"), KEPT),
    },
    "Group": {
        "Properties": "What members may do while they act in the group.",
        "Users": "Subjects of the members.",
        "JobShare": "Share of the VO's resources that the group's jobs get, measured against those of the other groups:"
        " the group that has used least of its own comes first.",
        "AllowBackgroundTQs": LATER,
        **dict.fromkeys(
            ("Quota", "VOMSRole", "AutoAddVOMS", "AutoUploadPilotProxy", "AutoUploadProxy", "AutoSyncVOMS"), KEPT
        ),
    },
    "Operations": {
        "JobDescription": "Defaults and bounds of job descriptions.",
        "JobHealth": "When a silent job is given up.",
        "JobCleaning": "When jobs that have ended are deleted, and deleted ones removed.",
        "CWL": "Jobs written in CWL: defaults of their hints, commands around payloads, and where software is.",
        "Matching": "Which job a pilot gets.",
        "Pilots": "How pilots are sent.",
        "InputData": "Where input data are; see [Input data](configuration.md#input-data).",
        "DataManagement": "Names, permissions and the trash of files.",
        "ResourceStatus": "What this VO says of sites and other elements.",
        "Tasks": "Background work that is done for each VO.",
        "Services": "Rescheduling, and what users see of others.",
        "InputDataPolicy": KEPT,
        "EnableSecurityLogging": KEPT,
        "SoftwareDistModule": KEPT,
    },
    "JobDescription": {
        "DefaultCPUTime": "`CPUTime` of a job that names none, in seconds.",
        "MinCPUTime": "A smaller `CPUTime` is raised to this.",
        "MaxCPUTime": "A larger `CPUTime` is lowered to this.",
        "DefaultPriority": "`Priority` of a job that names none.",
        "MinPriority": "A smaller `Priority` is raised to this.",
        "MaxPriority": "A larger `Priority` is lowered to this.",
        "MaxInputData": "Files that `InputData` may name.",
        "AllowedJobTypes": "What `JobType` may be.",
    },
    "InputDataPolicy": dict.fromkeys(
        ("Default", "Download", "Protocol", "AllReplicas", "Protocols", "InputDataModule"), KEPT
    ),
    "Protocols": dict.fromkeys(("Remote", "Local"), KEPT),
    "ServiceOptions": {
        "JobMonitoring": "What users see of others.",
        "JobScheduling": "How often jobs may be tried again.",
        "Catalogs": KEPT,
    },
    "JobMonitoring": {"GlobalJobsInfo": "Whether members see all jobs of the VO; if false, only their own."},
    "JobScheduling": {
        "MaxRescheduling": "Times that a job may be rescheduled; one more makes it Failed.",
        "EnableSharesCorrection": LATER,
    },
    "Matching": {
        "Defaults": "Parts of a requirements document for what a job leaves out, such as `{cpu: {ram_mb: …}}`.",
        "AllowInvalidSites": "A job that names an unknown site is held until the site exists; if false, it fails.",
        "Retry": "What becomes of jobs that have failed, by the class of the error.",
        "DB12PerCPUTime": "Power, in DB12 units of one core, that `CPUTime` counts in.",
        "Tiers": "Job types, first ones first: a name, a list, or a mapping with weights; unnamed types come last.",
        "HalfLife": "Time after which usage counts half when shares are compared, in seconds.",
        "MaxAge": "A group with a job that has waited for so long (s) is owed one of `Every` matches, across tiers.",
        "Every": "See `MaxAge`.",
        "Limits": "What may run at once, or start in a time: mappings with `Site`, `CE`, `JobType`, `Group`, `Owner` (a"
        " name or `*` for each by itself) and `Count`, `Cores`, `DelayS`, `Burst`.",
        "TTL": "A job that has waited for a match for so many seconds fails; off if not set.",
        "RequireArchitecture": "Whether a job is refused at submission that names no CPU architecture.",
        "WrapperMargin": "Seconds that are added to the ToolTimeLimit of a CWL document, for staging and uploading.",
        "LocalDataFirst": "Whether, of one owner's jobs of the same priority, those come first whose input data are all"
        " on disk at the site of the pilot.",
    },
    "Retry": {
        "Memory": "The job used more memory than it had: it gets more.",
        "Time": "The job ran into a limit of wall or CPU time: it gets more.",
        "Host": "The pilot or its host was at fault: another host, and it does not count as a rescheduling.",
        "Site": "Something that the whole site lacks: another site.",
        "InputData": "A file could not be had: the replicas are looked up again later.",
        "Payload": "The program itself failed; by default it does not run again.",
        "PerJobType": "Other rules for single job types, by name.",
    },
    "JobTypeRetry": dict.fromkeys(
        ("Memory", "Time", "Host", "Site", "InputData", "Payload"), "As in `Retry`, for this job type."
    ),
    "RetryRule": {"Max": "How often a job is tried again after such an error, 8 at most; 0: never."},
    "GrowingRetry": {
        "Max": "How often a job is tried again after such an error, 8 at most; 0: never.",
        "Factor": "By what the requirement is multiplied each time.",
    },
    "HostRetry": {
        "Max": "How often a job is tried again after such an error, 8 at most; 0: never.",
        "AvoidFor": "For how many seconds the job keeps off the host; 0: it may have it again at once.",
    },
    "LaterRetry": {
        "Max": "How often a job is tried again after such an error, 8 at most; 0: never.",
        "After": "Seconds before the job is looked at again.",
    },
    "PayloadRetry": {
        "Max": "How often a job is tried again after such an error, 8 at most; 0: never.",
        "ExitCodes": "Exit codes after which the program runs again; no others.",
    },
    "JobHealth": {
        "StalledAfter": "A running job without a sign of life for so long is Stalled; at least three `ReportEvery`.",
        "FailAfter": "A Stalled job whose pilot still runs is given up after so long.",
        "MatchedTimeout": "A matched job whose start is not reported after so long counts as lost with its pilot.",
        "ReportEvery": "How often a pilot reports about its jobs.",
        "PerSite": "Other values for single sites, by name.",
    },
    "JobCleaning": {
        "Enabled": "Whether jobs are cleaned at all.",
        "DeleteAfter": "Jobs that are Done, Failed or Killed for so long without a change are deleted.",
        "RemoveAfter": "Jobs that are Deleted for so long, by whomever, are removed for good.",
        "PerJobType": "Other rules for single types of jobs, by name.",
    },
    "TypeCleaning": {
        "Enabled": "Whether jobs of this type are cleaned.",
        "DeleteAfter": "As above, for this type.",
        "RemoveAfter": "As above, for this type.",
    },
    "CWLOptions": {
        "Defaults": "Values of the hint `dirac:Job` where a document says nothing.",
        "PerJobType": "The same for jobs of one type, by name, over those for all.",
        "Software": "What a package of SoftwareRequirement asks of a node, by its name or the URI in its `specs`: an"
        " expression of tags, such as `cvmfs:sft.cern.ch`.",
    },
    "DefaultHints": {"JobType": "Type of a job that names none; one of AllowedJobTypes.", **JOB_HINTS},
    "TypeHints": {
        "Commands": "Payload commands of extensions, by name, that run before and after the payload of each job of this"
        " type, JDL jobs included, in this order.",
        **JOB_HINTS,
    },
    "SiteJobHealth": {
        "StalledAfter": "As above, at this site.",
        "FailAfter": "As above, at this site.",
        "MatchedTimeout": "As above, at this site.",
    },
    "PilotOptions": {
        "AllowLegacyTokens": "Whether a person's token with GenericPilot may act for any pilot of the VO.",
        "SubmitEvery": "How often we look whether pilots are needed, in seconds.",
        "StatusEvery": "How often computing elements are asked about their pilots, in seconds.",
        "PerCycle": "Pilots sent to one queue at a time.",
        "LifeTime": LATER,
        "IdleAfter": "A pilot without a job ends after so many seconds.",
        "EmptyMatchesMax": "A pilot ends after so many answers without a job.",
    },
    "ResourceStatusOptions": {
        "Default": "Status of an element of which nobody says anything.",
        "Sites": "Status by name of site, over what `Resources` says.",
        "CEs": "Status by name of computing element.",
        "StorageElements": "Statuses by name of storage element, one for each kind of access.",
        "FTS": "Status by name of transfer server.",
    },
    "TaskOptions": {
        "Schedules": "When tasks run by themselves, by name of the task.",
        "Limits": "Limits by key, such as `task:pilots.submit`; in a VO by name of the task, or `*` for all.",
    },
    "ScheduleOptions": {
        "Enabled": "Whether the task runs by itself.",
        "Every": "Seconds between two runs.",
        "Cron": "Five fields of cron, in UTC.",
        "RRule": "A recurrence rule (RFC 5545), in UTC.",
        "Arguments": "What the task is given.",
    },
    "LimitOptions": {
        "Concurrent": "Tasks under this key that may run at a time; 0 stops them.",
        "Rate": "Tasks under this key that may start in `Per`.",
        "Per": "In seconds.",
        "Burst": "Tasks that may start at once after a pause; as many as `Rate` if left out.",
    },
    "StatusSetting": {
        "Status": "The word; `Active` and `Degraded` may be used, the others not.",
        "Reason": "Why; shown to whoever asks.",
    },
    "StorageStatus": {
        "Read": "For reading.",
        "Write": "For writing.",
        "Check": "For tests.",
        "Remove": "For deleting.",
    },
    "Resources": {
        "Computing": "Platforms.",
        "Sites": "Sites by name.",
        "StorageElementBases": "What several storage elements share, by the name that their `Base` gives.",
        "StorageElements": "[Storage elements](storage-elements.md) by name.",
        "FTS": "Transfer servers by name; keys beside `Status` are kept as they are.",
    },
    "StorageElementBase": STORAGE_ELEMENT,
    "StorageElement": {
        **STORAGE_ELEMENT,
        "Base": "One of `StorageElementBases`: what it says counts where this element says nothing.",
        "Sites": "Sites where its files can be read as local ones.",
    },
    "Endpoint": {
        "Name": "What the endpoint is called in messages; unique in the element.",
        "Protocol": "`s3`, `https` (WebDAV), `file` (a mounted directory), or that of a driver of an extension.",
        "URL": "`https://host:port`, without a path; none for `file`.",
        "Path": "The directory that everything lies below.",
        "VOPaths": "Other directories for single VOs, by their name.",
        "Bucket": "The bucket of `s3`.",
        "Region": "The region that requests to `s3` are signed for.",
        "Credentials": "Directory in `WEYL_CREDENTIALS_DIRECTORY` with `s3-key`, or an `oauth-client` for `Issuer`.",
        "CA": "File, or directory with hashed names, of certificate authorities; those of the machine if left out.",
        "Access": "For what the endpoint is used, and from where; for everything from everywhere if left out.",
        "Auth": "How requests to `https` prove who sends them.",
        "MakeDirectories": "Whether directories are made first, for servers that do not make them by themselves.",
        "ConditionalWrites": "Whether a store of `s3` heeds `If-None-Match: *`; else small files go in parts, too.",
    },
    "EndpointAccess": {
        "Read": "`lan`: at the sites of the element. `wan`: from anywhere. Nothing: not through this endpoint.",
        "Write": "As `Read`, for storing files.",
        "Remove": "As `Read`, for deleting files.",
    },
    "EndpointAuth": {
        "Kind": "`token`, one for each path and operation, or `none`.",
        "Audience": "The audience that the storage demands; every token is bound to it.",
        "Profile": "The dialect of the tokens: `wlcg`, or `scitokens`.",
        "Issuer": "URL of the VO's issuer, asked with client credentials; weyl's own issuer if left out.",
        "BasePath": "The directory that paths in tokens are relative to; that of the VO if left out.",
    },
    "InputDataOptions": {
        "Catalog": "File catalogue: `weyl`, its own, `static`,"
        " which is `Files`, or that of an extension; null: jobs with files fail.",
        "Stager": "What brings files from tape to disk, of an extension; none: jobs whose files are on tape are held.",
        "RemoteRead": "Whether jobs may read their data from anywhere, so that these do not decide where they run.",
        "StagedFor": "For how many seconds files that came from tape are taken to be on disk.",
        "Files": "Files, and directories (`/` at the end) with all that is below; the longest name that fits counts.",
    },
    "DataManagementOptions": {
        "Roots": "Directories below which all files of the VO lie; default: `/<VO>`. Roots of two VOs never overlap.",
        "UserHome": "Where a user may create files unasked; `{vo}`, `{user}` and the user's first letter, `{initial}`.",
        "LFNPattern": "Regular expression of one component of a new name.",
        "Permissions": "Who may do what: `directory` (its mode decides), `posix` (that of the file as well),"
        " or `open` (every member of the VO may read and write).",
        "QueryBudget": "How many seconds a page of a search for files may take; then it is short, and a link goes on.",
        "OutputSEs": "Storage elements where jobs store output data, in order, after those of their site;"
        " all that serve the VO if none is named.",
        "TrashDays": "For how many days deleted files can be restored; 0: they are purged at once.",
    },
    "ListedFile": {
        "StorageElements": "Storage elements that have a replica.",
        "Size": "Bytes.",
    },
    "TransferServer": {"Status": "Status for every VO that does not say otherwise."},
    "Computing": {"OSCompatibility": "Platform -> platforms whose programs it runs as well; itself always."},
    "Site": {
        "VOs": "VOs that may use the site; every VO if left out.",
        "Tags": "Tags that all pilots of the site offer.",
        "MaxPilots": "Pilots of one VO that the site may hold.",
        "Status": "Status for every VO that does not say otherwise.",
        "Managers": "Subjects (`vo:sub`) with the property SiteManager who may ban and drain the site for every VO.",
        "CEs": "Computing elements by name.",
    },
    "ComputingElement": {
        "Driver": "`local`, `ssh`, `slurm`, `htcondor`, `arc`, `kubernetes`, or a driver of an extension.",
        "Endpoint": "Address, if the driver needs one, such as `ssh://user@host` or `https://host:port`.",
        "Credentials": "Directory in `WEYL_CREDENTIALS_DIRECTORY` with what the driver logs in with.",
        "Tags": "Tags that all pilots of the element offer.",
        "Status": "Status for every VO that does not say otherwise.",
        "DriverOptions": "What only this driver knows.",
        "Queues": "Queues by name.",
    },
    "Queue": {
        "WallTime": "Longest run of a pilot, in seconds.",
        "Cores": "Cores of one pilot.",
        "WholeNode": "A pilot has a node for itself.",
        "MemoryMB": "Memory of one pilot.",
        "ScratchMB": "Scratch space of one pilot.",
        "PowerDB12": "Power of one core; a pilot measures it itself if left out.",
        "PowerHS23": LATER,
        "GPUs": "GPUs of one pilot.",
        "GPU": "What each of them is; must be said for [`Mode: push`](push.md), otherwise the pilot looks.",
        "Architecture": "As `uname -m` says.",
        "Tags": "Tags that pilots of the queue offer.",
        "VOs": "VOs that may use the queue; every VO of the site if empty.",
        "MaxWaiting": "Pilots that may wait in the queue.",
        "MaxTotal": "Pilots that may wait and run.",
        "Payload": "What payloads are given.",
        "Mode": "`pull`: pilots ask for jobs. `push`: the worker does it for [nodes without a network](push.md).",
        "Level": "Level of the oldest processors, as `x86-64-v3`; in push mode nobody looks before the job is there.",
    },
    "GpuKind": {
        "Vendor": "Only `nvidia` for now.",
        "Arch": "Compute capability: `sm_80` for 8.0.",
        "MemoryMB": "Memory of one GPU.",
        "Runtime": "The newest CUDA that its driver knows, such as `12.4`.",
    },
    "Payload": {
        "Environment": "Variables of every payload.",
        "Software": "Directories of software that payloads may read.",
        "Engine": "Directory of a Python environment with `weyl_engine`, which payloads may read: "
        "[CWL jobs](pilots.md#engines-for-cwl-jobs).",
    },
}
