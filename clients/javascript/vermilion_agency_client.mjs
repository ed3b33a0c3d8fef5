/**
 * A client of the agency API of Vermilion, version 1.0.0: licences, seals, batches, webhooks.
 *
 * Made from its OpenAPI description; do not edit. It needs `fetch` and WebCrypto, and nothing else: Node 18 or
 * newer, Deno, Bun.
 *
 *     const client = new Client("https://api.example", JSON.parse(await readFile("agency-system.json", "utf8")));
 *     const licence = (await client.issueLicence({ type, seal, ... })).body;
 *
 * A request that may be repeated is repeated: where no answer came, where the service asks to wait (429, 503), and
 * while the same request is being served (409); after the time that the service names, and under one
 * Idempotency-Key. Who wants to ask again after a crash keeps a key of their own with the case and gives it.
 *
 * @module
 */

const JSON_TYPE = "application/json";
const encoder = new TextEncoder();
/** Node 18 keeps WebCrypto to itself. */
const webcrypto = globalThis.crypto ?? (await import("node:crypto")).webcrypto;

/**
 * Who acts, where no person does by a credential of their own.
 * @typedef {object} ActBody
 * @property {string | null} [operator]
 */

/** @typedef {"submit" | "receive" | "ask_correction" | "correct" | "accept" | "refuse_acceptance" | "return" | "begin" | "suspend" | "resume" | "extend" | "permit" | "refuse" | "terminate" | "withdraw" | "finish" | "archive" | "lapse"} Action */

/**
 * Of one agency in the period. docs/operate.md says exactly what each counts.
 * @typedef {object} AgencyFigures
 * @property {string} agency
 * @property {Name} name
 * @property {number} issued
 * @property {number} next_editions
 * @property {number} suspended
 * @property {number} resumed
 * @property {number} ended
 * @property {number} inspected
 * @property {number} abandoned
 * @property {number} refused
 * @property {number} lapsed
 * @property {number} undecided
 * @property {number} late
 * @property {number} checks
 * @property {number} checks_failed
 * @property {number} checks_not_made
 */

/**
 * @typedef {object} Alive
 * @property {"ok"} status
 */

/**
 * @typedef {object} AnewBody
 * @property {LicenceBody} licence
 */

/**
 * @typedef {object} ApplicantBody
 * @property {string} name
 * @property {"001" | "099" | "111" | "114" | "115" | "118" | "119" | "120" | "122" | "411" | "412" | "413" | "414" | "511" | "516" | "999"} id_type
 * @property {string} id_code
 */

/**
 * @typedef {object} ApplicantShown
 * @property {string} name
 * @property {string} id_type
 * @property {string} id_code
 */

/**
 * @typedef {object} ApplicationBody
 * @property {string} kind
 * @property {string} name
 * @property {string | null} [bottom_text]
 * @property {string | null} [picture]
 */

/**
 * @typedef {object} ApplicationDecided
 * @property {string} id
 * @property {"apply" | "renew" | "change" | "resume" | "cancel" | "compromise"} action
 * @property {"open" | "approved" | "refused"} state
 * @property {string | null} seal_code
 * @property {Record<string, any>} payload
 * @property {string} payload_sha256
 * @property {string} requested_at
 * @property {string} expires_at
 * @property {string | null} seal
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled" | null} [seal_state]
 */

/**
 * @typedef {object} ApprovalPage
 * @property {Array<ApprovalShown>} approvals
 * @property {string | null} [next]
 */

/**
 * A request that another person decides. Who decides names `payload_sha256`, and so what was read.
 * @typedef {object} ApprovalShown
 * @property {string} id
 * @property {"apply" | "renew" | "change" | "resume" | "cancel" | "compromise"} action
 * @property {"open" | "approved" | "refused"} state
 * @property {string | null} seal_code
 * @property {Record<string, any>} payload
 * @property {string} payload_sha256
 * @property {string} requested_at
 * @property {string} expires_at
 */

/**
 * Of the agency. Counted every hour; `as_of` is null before the first time.
 * @typedef {object} ArchiveStatistics
 * @property {string | null} as_of
 * @property {Array<PackageFigure>} packages
 * @property {Array<CopyFigure>} copies
 * @property {Array<CheckFigure>} checks_failed
 * @property {Array<HandoverFigure>} handovers
 * @property {number} waiting
 */

/**
 * Of a package that came from elsewhere.
 * @typedef {object} ArrivedFrom
 * @property {string} code
 * @property {string} name
 * @property {string | null} handover
 * @property {string | null} number
 * @property {string} arrived_at
 */

/**
 * @typedef {object} AuditPage
 * @property {string} ledger
 * @property {string} until
 * @property {Array<EventLine | KeyUseLine | KeyUseBlockLine | SealUseLine>} lines
 * @property {string | null} [next]
 */

/**
 * @typedef {object} AuthorisationBody
 * @property {string} client_id
 * @property {string} type_code
 * @property {string} valid_from
 * @property {string} valid_to
 * @property {number} daily_limit
 */

/**
 * A keeper's permission for a client to use the seal for a type.
 * @typedef {object} AuthorisationShown
 * @property {string} id
 * @property {string} seal_code
 * @property {string} client_id
 * @property {string} type_code
 * @property {string} valid_from
 * @property {string} valid_to
 * @property {number} daily_limit
 * @property {string | null} withdrawn_at
 */

/**
 * @typedef {object} BatchItemPage
 * @property {string} batch
 * @property {Array<BatchItemShown>} items
 * @property {string | null} [next]
 */

/**
 * A line and what became of it; never its values.
 * @typedef {object} BatchItemShown
 * @property {number} line
 * @property {ItemState} state
 * @property {string | null} [identifier]
 * @property {DocumentShown | null} [document]
 * @property {string | null} [reason]
 * @property {Array<FaultEntry> | null} [errors]
 */

/**
 * A batch.
 * @typedef {object} BatchListed
 * @property {string} id
 * @property {BatchState} state
 * @property {boolean} dry_run
 * @property {string | null} type
 * @property {string | null} seal
 * @property {number} lines
 * @property {string} created_at
 * @property {string | null} ended_at
 * @property {string} href
 */

/**
 * What happened to a batch.
 * @typedef {object} BatchNews
 * @property {string} event
 * @property {string} batch
 * @property {string} type
 */

/**
 * @typedef {object} BatchPage
 * @property {Array<BatchListed>} batches
 * @property {string | null} [next]
 */

/**
 * Of a webhook about a batch.
 * @typedef {object} BatchPayload
 * @property {"batch.accepted" | "batch.cancelled" | "batch.done"} type
 * @property {string} timestamp
 * @property {BatchNews} data
 */

/**
 * A batch and how far it is.
 * @typedef {object} BatchShown
 * @property {string} id
 * @property {BatchState} state
 * @property {boolean} dry_run
 * @property {string | null} type
 * @property {string | null} seal
 * @property {number} lines
 * @property {Record<string, number>} counts
 * @property {string} created_at
 * @property {string | null} ended_at
 * @property {string} items
 * @property {string | null} [waiting_for]
 * @property {string | null} [reason]
 * @property {string | null} [errors]
 * @property {string | null} [documents]
 */

/** @typedef {"receiving" | "dropped" | "checking" | "refused" | "checked" | "issuing" | "cancelling" | "cancelled" | "done"} BatchState */

/**
 * @typedef {object} BeginBody
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} CancelBody
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} CancellationBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [compromised_since]
 */

/**
 * An application as the agency's system has it from the applicant, whom it has identified. With
 * `declaration`, by which the applicant says that all of it is true, it is submitted; without, it is
 * kept as a draft.
 * @typedef {object} CaseBody
 * @property {string} matter
 * @property {ApplicantBody} applicant
 * @property {ContactBody} [contact]
 * @property {Record<string, any>} fields
 * @property {boolean} [declaration]
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} CaseDecisionBody
 * @property {"suspend" | "extend" | "permit" | "refuse" | "terminate"} action
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [words]
 * @property {number | null} [days]
 * @property {LicenceBody | null} [licence]
 */

/**
 * @typedef {object} CaseFiled
 * @property {string} id
 * @property {string | null} number
 * @property {string} matter
 * @property {CaseState} state
 * @property {string | null} submitted_on
 * @property {string | null} due_on
 * @property {string | null} committed_due
 * @property {string | null} statutory_due
 * @property {boolean} provisional
 * @property {string} href
 * @property {ApplicantShown | null} applicant
 * @property {Record<string, any>} fields
 * @property {Array<CaseMaterialShown>} materials
 * @property {Array<StepShown>} steps
 * @property {Array<JointShown>} sub_cases
 * @property {IssueShown | null} licence
 * @property {string | null} edition
 * @property {string | null} [lookup_code]
 */

/**
 * @typedef {object} CaseListed
 * @property {string} id
 * @property {string | null} number
 * @property {string} matter
 * @property {CaseState} state
 * @property {string | null} submitted_on
 * @property {string | null} due_on
 * @property {string | null} committed_due
 * @property {string | null} statutory_due
 * @property {boolean} provisional
 * @property {string} href
 */

/**
 * A material of the matter, and how the case stands with it.
 * @typedef {object} CaseMaterialShown
 * @property {string} code
 * @property {Record<string, string>} name
 * @property {boolean} required
 * @property {Want | null} wanted
 * @property {MaterialVersionShown | null} supplied
 */

/**
 * @typedef {object} CasePage
 * @property {Array<CaseListed>} cases
 * @property {string | null} [next]
 */

/**
 * @typedef {object} CaseRetrievals
 * @property {Array<RetrievalShown>} retrievals
 * @property {Array<WantedShown>} wanted
 */

/**
 * @typedef {object} CaseShown
 * @property {string} id
 * @property {string | null} number
 * @property {string} matter
 * @property {CaseState} state
 * @property {string | null} submitted_on
 * @property {string | null} due_on
 * @property {string | null} committed_due
 * @property {string | null} statutory_due
 * @property {boolean} provisional
 * @property {string} href
 * @property {ApplicantShown | null} applicant
 * @property {Record<string, any>} fields
 * @property {Array<CaseMaterialShown>} materials
 * @property {Array<StepShown>} steps
 * @property {Array<JointShown>} sub_cases
 * @property {IssueShown | null} licence
 * @property {string | null} edition
 */

/** @typedef {"draft" | "submitted" | "received" | "correction" | "accepted" | "not_accepted" | "returned" | "handling" | "suspended" | "permitted" | "refused" | "terminated" | "withdrawn" | "done" | "archived" | "lapsed"} CaseState */

/**
 * `submit`, `correct` and `withdraw` are the applicant's acts, passed on. What each step needs, the
 * table of the answers to a refusal says (`move_needs`).
 * @typedef {object} CaseStepBody
 * @property {"submit" | "receive" | "ask_correction" | "correct" | "accept" | "refuse_acceptance" | "return" | "begin" | "resume" | "withdraw"} action
 * @property {string | null} [legal_basis]
 * @property {string | null} [reason_code]
 * @property {string | null} [words]
 * @property {Array<ItemBody> | null} [items]
 * @property {boolean} [declaration]
 * @property {Record<string, any> | null} [fields]
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} CertificationRequested
 * @property {string} id
 * @property {string} seal
 * @property {string} requested_at
 * @property {string} request
 */

/**
 * Every change of status names its ground; without `effective_from` it takes effect today, with a
 * later day it waits for that.
 * @typedef {object} ChangeBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {string | null} [operator]
 * @property {number | null} [status_version]
 */

/**
 * @typedef {object} ChangeDecided
 * @property {string} id
 * @property {"apply" | "renew" | "change" | "resume" | "cancel" | "compromise"} action
 * @property {"open" | "approved" | "refused"} state
 * @property {string | null} seal_code
 * @property {Record<string, any>} payload
 * @property {string} payload_sha256
 * @property {string} requested_at
 * @property {string} expires_at
 * @property {string} seal
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} seal_state
 * @property {SealShownIn | null} [shown_in]
 */

/**
 * `fields` holds what is to differ, and null for what goes; the rest is taken over.
 * @typedef {object} ChangedFieldsBody
 * @property {string} seal
 * @property {Array<string> | null} [co_seals]
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} operator
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {number | null} [status_version]
 * @property {Record<string, any>} fields
 * @property {string | null} [valid_from]
 */

/**
 * @typedef {object} CheckFigure
 * @property {"ingest" | "handover" | "store"} occasion
 * @property {number} packages
 */

/**
 * `sha256` names the form that the applicant has read and confirms, whom the agency has identified.
 * @typedef {object} ConfirmationBody
 * @property {string} sha256
 * @property {string | null} [operator]
 */

/**
 * By `smtp` the applicant gets e-mail at `to`; by `webhook` messages are posted to the client's own
 * endpoint of that id, which takes `notice`, for whom `to` names there; by `none` they are told by the
 * progress of the case alone.
 * @typedef {object} ContactBody
 * @property {"smtp" | "webhook" | "none"} [channel]
 * @property {string | null} [to]
 * @property {string | null} [webhook]
 * @property {"zh" | "en" | "es"} [language]
 */

/**
 * What a copy is for, and how its holder asked for it; under which seal it is made, for which case.
 * @typedef {object} CopyBody
 * @property {string} purpose
 * @property {string} recipient
 * @property {string} valid_to
 * @property {number} [count]
 * @property {"in_person" | "online" | "in_writing"} holder_wish
 * @property {string} seal
 * @property {Array<string> | null} [co_seals]
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} operator
 */

/**
 * @typedef {object} CopyFigure
 * @property {string} store
 * @property {"present" | "missing" | "damaged" | "erasing" | "erased"} state
 * @property {number} copies
 */

/**
 * A new copy. Link and look-up code are its recipient's, and are told only here and on a replay.
 * @typedef {object} CopyMade
 * @property {string} licence
 * @property {string} purpose
 * @property {string} recipient
 * @property {string} valid_to
 * @property {string} made_on
 * @property {number} count
 * @property {string} id
 * @property {string} link
 * @property {string} lookup_code
 * @property {DocumentShown} document
 */

/**
 * @typedef {object} CopyPage
 * @property {Array<CopyShown>} copies
 * @property {string | null} next
 */

/**
 * What would be made; nothing is reserved.
 * @typedef {object} CopyPreview
 * @property {string} licence
 * @property {string} purpose
 * @property {string} recipient
 * @property {string} valid_to
 * @property {string} made_on
 * @property {number} count
 * @property {true} dry_run
 * @property {string} seal
 */

/**
 * A copy on record. It holds while its licence does, until its own last day, unless it was withdrawn.
 * @typedef {object} CopyShown
 * @property {string} licence
 * @property {string} purpose
 * @property {string} recipient
 * @property {string} valid_to
 * @property {string} made_on
 * @property {number} count
 * @property {string} id
 * @property {string} href
 * @property {string | null} withdrawn_on
 * @property {"in_person" | "online" | "in_writing"} holder_wish
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} sealed_at
 * @property {string} registered_at
 * @property {DocumentShown} document
 */

/**
 * @typedef {object} DataSetShown
 * @property {string} connector
 * @property {string} code
 * @property {Record<string, string>} name
 * @property {string} source
 * @property {string} purpose
 * @property {string} legal_basis
 * @property {Array<string>} holder_types
 */

/**
 * @typedef {object} DecisionBody
 * @property {"approve" | "refuse"} decision
 * @property {string} payload_sha256
 */

/** @typedef {"signed_form" | "confirmed_form" | "declaration"} Declared */

/**
 * The issuer finds its licence right.
 * @typedef {object} DeclinationBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} DeliveryPage
 * @property {string} endpoint
 * @property {Array<DeliveryShown>} deliveries
 * @property {string | null} [next]
 */

/**
 * One event for one endpoint.
 * @typedef {object} DeliveryShown
 * @property {string} event
 * @property {string} type
 * @property {string} event_at
 * @property {DeliveryState} state
 * @property {number} attempts
 * @property {string | null} due_at
 * @property {string | null} tried_at
 * @property {number | null} status
 * @property {string | null} reason
 */

/** @typedef {"waiting" | "delivered" | "dead"} DeliveryState */

/**
 * A value as its licence type lets the public see it.
 * @typedef {object} DisclosedValue
 * @property {string} name
 * @property {Record<string, string>} label
 * @property {string | Array<string>} value
 * @property {boolean} masked
 */

/**
 * @typedef {object} DocumentShown
 * @property {string} sha256
 * @property {string} href
 * @property {number} size
 * @property {string} level
 */

/**
 * What takes the place of a draft's contents.
 * @typedef {object} DraftBody
 * @property {ApplicantBody} applicant
 * @property {ContactBody} [contact]
 * @property {Record<string, any>} fields
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} EndingBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {string | null} [operator]
 * @property {number | null} [status_version]
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled"} how
 */

/**
 * No `events`: all kinds. No `types`: all licence types that the client may act on. Only an endpoint
 * that names `notice` among its events is sent messages to people, such as pick-up links, to pass them
 * on.
 * @typedef {object} EndpointBody
 * @property {string | null} [operator]
 * @property {string} url
 * @property {Array<"licence.issued" | "licence.replaced" | "licence.suspended" | "licence.resumed" | "licence.lifted" | "licence.ended" | "licence.removed" | "licence.inspected" | "licence.scanned_often" | "licence.scheduled" | "licence.change_withdrawn" | "licence.change_dropped" | "licence.copied" | "licence.copy_withdrawn" | "batch.accepted" | "batch.cancelled" | "batch.done" | "case.submitted" | "case.received" | "case.correction_asked" | "case.corrected" | "case.accepted" | "case.not_accepted" | "case.returned" | "case.begun" | "case.suspended" | "case.resumed" | "case.extended" | "case.permitted" | "case.refused" | "case.terminated" | "case.withdrawn" | "case.issue_refused" | "case.finished" | "case.archived" | "sub_case.opened" | "sub_case.begun" | "sub_case.opinion_given" | "sub_case.opinion_missed" | "sub_case.closed" | "notice">} [events]
 * @property {Array<string>} [types]
 */

/**
 * @typedef {object} EndpointPage
 * @property {Array<EndpointShown>} endpoints
 * @property {string | null} [next]
 */

/**
 * Where a client is told of events, and how it does there.
 * @typedef {object} EndpointShown
 * @property {string} id
 * @property {string} url
 * @property {Array<string>} events
 * @property {Array<string>} types
 * @property {EndpointState} state
 * @property {number} failures
 * @property {string | null} failing_since
 * @property {string | null} rest_until
 * @property {string} created_at
 * @property {Array<SecretShown>} secrets
 * @property {string} deliveries
 */

/** @typedef {"active" | "disabled" | "gone" | "failing"} EndpointState */

/**
 * @typedef {object} EndpointWithSecret
 * @property {string} id
 * @property {string} url
 * @property {Array<string>} events
 * @property {Array<string>} types
 * @property {EndpointState} state
 * @property {number} failures
 * @property {string | null} failing_since
 * @property {string | null} rest_until
 * @property {string} created_at
 * @property {Array<SecretShown>} secrets
 * @property {string} deliveries
 * @property {string | null} secret
 */

/** @typedef {"waiting" | "acknowledged" | "corrected" | "declined" | "lapsed"} ErrorState */

/**
 * An event or a refusal; `commitment` says whether what was committed to still holds.
 * @typedef {object} EventLine
 * @property {string} id
 * @property {string} at
 * @property {string} kind
 * @property {string} subject_kind
 * @property {string} subject
 * @property {string | null} agency
 * @property {string} effective_from
 * @property {string} legal_basis
 * @property {string} reason
 * @property {string | null} person
 * @property {string | null} client
 * @property {string} operator
 * @property {Record<string, any>} detail
 * @property {"kept" | "broken" | "missing"} commitment
 */

/**
 * A certificate that only a ceremony renews.
 * @typedef {object} Expiring
 * @property {string} certificate
 * @property {string} until
 */

/**
 * One thing that is wrong in the request.
 * @typedef {object} FaultEntry
 * @property {string} pointer
 * @property {string} reason
 * @property {string} detail
 */

/**
 * @typedef {object} FigurePage
 * @property {string} from
 * @property {string} to
 * @property {string | null} closed_to
 * @property {Array<AgencyFigures>} agencies
 * @property {string | null} next
 */

/**
 * @typedef {object} FormBody
 * @property {"zh" | "en" | "es"} [language]
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} FormField
 * @property {string} name
 * @property {Record<string, string>} label
 * @property {string} kind
 * @property {boolean} required
 * @property {number} max_length
 * @property {Array<string>} choices
 */

/**
 * The form that the registry drew of an application: the last one.
 * @typedef {object} FormShown
 * @property {number} version
 * @property {string} language
 * @property {string} sha256
 * @property {number} size
 * @property {string} at
 * @property {boolean} current
 * @property {string | null} confirmed_at
 * @property {MaterialVersionShown | null} signed
 * @property {Declared | null} declared_by
 * @property {string} href
 */

/**
 * @typedef {object} GroundBody
 * @property {string} legal_basis
 * @property {string} reason_code
 */

/**
 * @typedef {object} HandoverFigure
 * @property {"waiting" | "handed_over" | "refused" | "withdrawn"} state
 * @property {number} handovers
 */

/**
 * @typedef {object} Impact
 * @property {string} seal
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} state
 * @property {Limit} limit
 * @property {"not_available"} log
 * @property {Record<string, number> | null} [totals]
 * @property {Array<SealingShown>} licences
 * @property {string | null} [next]
 */

/**
 * @typedef {object} InspectionBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {string | null} [operator]
 * @property {number | null} [status_version]
 * @property {string} period
 * @property {"passed" | "failed"} result
 */

/**
 * @typedef {object} IssueBody
 * @property {string} type
 * @property {string} seal
 * @property {Array<string> | null} [co_seals]
 * @property {string | null} [number]
 * @property {Record<string, any>} fields
 * @property {string | null} [valid_from]
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} operator
 */

/**
 * The licence that was ordered with the decision.
 * @typedef {object} IssueShown
 * @property {IssueState} state
 * @property {string | null} reason
 * @property {number} attempts
 */

/** @typedef {"waiting" | "issued" | "refused"} IssueState */

/**
 * @typedef {object} IssuerNamed
 * @property {string} code
 * @property {Record<string, string>} name
 */

/**
 * A material or field of the matter, by its code or name, and what is wanted.
 * @typedef {object} ItemBody
 * @property {string} code
 * @property {string} why
 */

/**
 * @typedef {object} ItemShown
 * @property {string} code
 * @property {string} why
 */

/** @typedef {"received" | "checking" | "refused" | "checked" | "waiting" | "issuing" | "issued" | "failed" | "cancelled"} ItemState */

/**
 * Another agency's part in the case.
 * @typedef {object} JointShown
 * @property {string} agency
 * @property {SubState} state
 * @property {string | null} due_on
 * @property {Opinion | null} opinion
 * @property {string} href
 */

/**
 * Uses that are written down together: answers of OCSP.
 * @typedef {object} KeyUseBlockLine
 * @property {string} id
 * @property {string} opened_at
 * @property {string | null} closed_at
 * @property {string} key
 * @property {string} kind
 * @property {number} size
 * @property {number | null} begun
 * @property {number | null} failed
 * @property {string | null} sha256
 */

/**
 * @typedef {object} KeyUseLine
 * @property {string} id
 * @property {string} begun_at
 * @property {string | null} ended_at
 * @property {string} key
 * @property {string} kind
 * @property {string} record
 * @property {string} sha256
 * @property {boolean | null} signed
 */

/**
 * What the decision says of the licence: its seal, its number, and the fields that are not the
 * application's.
 * @typedef {object} LicenceBody
 * @property {string} seal
 * @property {Array<string> | null} [co_seals]
 * @property {string | null} [number]
 * @property {Record<string, any> | null} [fields]
 */

/**
 * @typedef {object} LicenceErrorPage
 * @property {Array<LicenceErrorShown>} errors
 * @property {string | null} [next]
 */

/**
 * A confirmed error in a licence of the agency's. `correction` is where it is corrected, by the rule
 * of corrections; then it is settled by itself.
 * @typedef {object} LicenceErrorShown
 * @property {string} id
 * @property {string} identifier
 * @property {string} field
 * @property {string | Array<string>} told
 * @property {string | Array<string>} right
 * @property {string} found_by
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string} made_at
 * @property {ErrorState} state
 * @property {string} correction
 */

/**
 * @typedef {object} LicenceEvent
 * @property {string} event
 * @property {string} identifier
 * @property {string} kind
 * @property {string} effective_from
 * @property {string} recorded_at
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} person
 * @property {string | null} client
 * @property {string} operator
 * @property {Record<string, any>} detail
 */

/**
 * Of every edition of the licence; nothing is ever taken out.
 * @typedef {object} LicenceHistory
 * @property {string} identifier
 * @property {Array<LicenceEvent>} events
 */

/**
 * A new licence. Link and look-up code are the holder's, and are told only here and on a replay.
 * @typedef {object} LicenceIssued
 * @property {string} identifier
 * @property {string} type
 * @property {string} number
 * @property {number} edition
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {string} valid_from
 * @property {string | null} valid_to
 * @property {string} link
 * @property {string} lookup_code
 * @property {DocumentShown} document
 */

/**
 * What happened to a licence; what else is to be known the API tells.
 * @typedef {object} LicenceNews
 * @property {string} event
 * @property {string} identifier
 * @property {string} effective_from
 * @property {"in_force" | "suspended" | "ended" | null} [status]
 * @property {number | null} [status_version]
 * @property {string | null} [operation]
 * @property {string | null} [previous]
 * @property {string | null} [next]
 * @property {string | null} [scheduled]
 * @property {string | null} [due]
 * @property {number | null} [scans]
 */

/**
 * @typedef {object} LicencePage
 * @property {Array<LicenceSummary>} licences
 * @property {string | null} next
 */

/**
 * Of a webhook about a licence.
 * @typedef {object} LicencePayload
 * @property {"licence.issued" | "licence.replaced" | "licence.suspended" | "licence.resumed" | "licence.lifted" | "licence.ended" | "licence.removed" | "licence.inspected" | "licence.scanned_often" | "licence.scheduled" | "licence.change_withdrawn" | "licence.change_dropped" | "licence.copied" | "licence.copy_withdrawn"} type
 * @property {string} timestamp
 * @property {LicenceNews} data
 */

/**
 * What would be issued; nothing is reserved.
 * @typedef {object} LicencePreview
 * @property {true} dry_run
 * @property {string} seal
 * @property {string} type
 * @property {number} type_version
 * @property {string} issuer
 * @property {string} number
 * @property {number} edition
 * @property {string} valid_from
 * @property {string | null} valid_to
 * @property {Record<string, string | Array<string>>} fields
 * @property {Array<SealNamed> | null} [seals]
 * @property {boolean} specimen
 */

/**
 * Status and record.
 * @typedef {object} LicenceShown
 * @property {string} identifier
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {number} status_version
 * @property {"penalty" | "other" | null} ground
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} since
 * @property {string | null} suspended_until
 * @property {string | null} removed_on
 * @property {LicenceShownIn | null} [shown_in]
 * @property {string} type
 * @property {string} issuer
 * @property {string} number
 * @property {number} edition
 * @property {"issue" | "amend" | "renew" | "correct" | "replace"} made_by
 * @property {string | null} previous
 * @property {string | null} next
 * @property {Array<PlannedChange>} scheduled
 * @property {string} issue_date
 * @property {string} valid_from
 * @property {string | null} valid_to
 * @property {Record<string, string | Array<string>>} fields
 * @property {Array<SealNamed> | null} [seals]
 * @property {boolean} specimen
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} sealed_at
 * @property {DocumentShown} document
 */

/**
 * Where a status shows already.
 * @typedef {object} LicenceShownIn
 * @property {"live"} registry
 * @property {"pending" | "published" | "not_available"} status_list
 * @property {"not_available"} log
 */

/**
 * What a change came to. Whether a licence is expired, or not valid yet, is for the reader to reckon.
 * @typedef {object} LicenceStatusShown
 * @property {string} identifier
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {number} status_version
 * @property {"penalty" | "other" | null} ground
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} since
 * @property {string | null} suspended_until
 * @property {string | null} removed_on
 * @property {LicenceShownIn | null} [shown_in]
 * @property {true | null} [dry_run]
 */

/**
 * A licence as a list shows it.
 * @typedef {object} LicenceSummary
 * @property {string} identifier
 * @property {string} href
 * @property {string} type
 * @property {string} number
 * @property {number} edition
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {number} status_version
 * @property {"penalty" | "other" | null} ground
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} since
 * @property {string | null} suspended_until
 * @property {string | null} removed_on
 * @property {string} issue_date
 * @property {string} valid_from
 * @property {string | null} valid_to
 * @property {string} registered_at
 * @property {Record<string, string | Array<string>>} fields
 */

/**
 * What the public may see of it, and its status; never its record or document.
 * @typedef {object} LicenceUsed
 * @property {string} use
 * @property {string} used_at
 * @property {string} as_of
 * @property {string} identifier
 * @property {TypeUsed} type
 * @property {IssuerNamed} issuer
 * @property {number} edition
 * @property {string} issue_date
 * @property {string} valid_from
 * @property {string | null} valid_to
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {"penalty" | "other" | null} ground
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} since
 * @property {string | null} suspended_until
 * @property {string | null} removed_on
 * @property {boolean} valid
 * @property {boolean} specimen
 * @property {Array<DisclosedValue>} fields
 */

/**
 * The moment that a sealing must precede.
 * @typedef {object} Limit
 * @property {string} at
 * @property {"invalidity_date" | "cancellation" | "present"} kind
 */

/**
 * @typedef {object} LimitShown
 * @property {number} days
 * @property {string} unit
 */

/**
 * @typedef {object} LookAgainBody
 * @property {string | null} [operator]
 */

/**
 * A required material that is looked for before anybody is asked for it.
 * @typedef {object} LookedForShown
 * @property {string} material
 * @property {Record<string, string>} name
 * @property {string | null} licence_type
 * @property {Array<DataSetShown>} data_sets
 */

/**
 * @typedef {object} LossBody
 * @property {string} legal_basis
 */

/**
 * Who made an edition, and whether the signature holds.
 * @typedef {object} MakerShown
 * @property {"right" | "wrong"} signature
 * @property {string | null} [name]
 * @property {string | null} [certificate_sha256]
 */

/**
 * Nothing where our own authority certifies the seal; else the chain of one outside, files in base64.
 * @typedef {object} MakingBody
 * @property {Array<string> | null} [chain]
 */

/** @typedef {"by_code" | "by_name" | "another" | "unproven" | "unsigned" | "unknown"} Match */

/**
 * @typedef {object} MaterialShown
 * @property {string} code
 * @property {Record<string, string>} name
 * @property {boolean} required
 * @property {string} source
 * @property {Array<string>} media
 * @property {number} max_bytes
 * @property {string | null} licence_type
 * @property {string} legal_basis
 * @property {string | null} paper
 * @property {string} note
 * @property {boolean} signed
 */

/**
 * @typedef {object} MaterialVersionList
 * @property {Array<MaterialVersionShown>} materials
 */

/**
 * A file as it was supplied.
 * @typedef {object} MaterialVersionShown
 * @property {string} code
 * @property {number} version
 * @property {string} media
 * @property {number} size
 * @property {string} sha256
 * @property {string} at
 * @property {string | null} person
 * @property {string} operator
 * @property {Scan} scan
 * @property {SignatureReportShown | null} report
 * @property {string} href
 */

/**
 * @typedef {object} MatterListed
 * @property {string} code
 * @property {Record<string, string>} name
 * @property {string} agency
 * @property {string} href
 */

/**
 * @typedef {object} MatterPage
 * @property {Array<MatterListed>} matters
 * @property {string | null} [next]
 */

/**
 * The service guide of a matter.
 * @typedef {object} MatterShown
 * @property {string} code
 * @property {string} base_code
 * @property {number} version
 * @property {Record<string, string>} name
 * @property {string} agency
 * @property {string} kind
 * @property {string} level
 * @property {string} case_type
 * @property {Record<string, string>} audience
 * @property {Record<string, string>} forms
 * @property {Array<string>} legal_basis
 * @property {Array<string>} conditions
 * @property {LimitShown} statutory
 * @property {string} statutory_basis
 * @property {LimitShown} committed
 * @property {number} extension_days
 * @property {number} visits
 * @property {Array<string>} fees
 * @property {Array<MaterialShown>} materials
 * @property {Array<Record<string, string>>} steps
 * @property {Record<string, string>} result
 * @property {string | null} licence_type
 * @property {Array<FormField>} fields
 * @property {string} consult_phone
 * @property {string} complaint_phone
 * @property {string} review
 * @property {string} litigation
 */

/**
 * @typedef {object} MatterSources
 * @property {Array<LookedForShown>} materials
 */

/**
 * @typedef {object} MissedBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [words]
 */

/**
 * @typedef {object} Name
 * @property {string} zh
 * @property {string} en
 */

/**
 * What every request for a next edition says: which seal it gets, for which case, and who decided why.
 * @typedef {object} NextEditionBody
 * @property {string} seal
 * @property {Array<string> | null} [co_seals]
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} operator
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {number | null} [status_version]
 */

/**
 * A message for one person, to be passed on to them and to nobody else.
 * @typedef {object} NoticeForSomebody
 * @property {string} notice
 * @property {string} about
 * @property {string} to
 * @property {"zh" | "en" | "es"} language
 * @property {string} subject
 * @property {string} text
 * @property {Record<string, string>} values
 * @property {string} expires_at
 */

/**
 * Of a message that a webhook is to pass on.
 * @typedef {object} NoticePayload
 * @property {"notice.pick_up" | "notice.case"} type
 * @property {string} timestamp
 * @property {NoticeForSomebody} data
 */

/**
 * What became of a message. To whom it went is told to nobody.
 * @typedef {object} NoticeShown
 * @property {string} id
 * @property {NoticeState} state
 * @property {number} attempts
 * @property {string | null} due_at
 * @property {string | null} tried_at
 * @property {number | null} status
 * @property {string | null} reason
 */

/** @typedef {"waiting" | "delivered" | "dead"} NoticeState */

/** @typedef {"agrees" | "agrees_with_conditions" | "refuses"} Opinion */

/**
 * `words` are told to the applicant with the decision: the conditions, or what stands against it.
 * @typedef {object} OpinionBody
 * @property {"agrees" | "agrees_with_conditions" | "refuses"} opinion
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [words]
 */

/**
 * What the authority outside that certified an edition says of it.
 * @typedef {object} OutsideShown
 * @property {string} authority
 * @property {string} serial_number
 * @property {string} subject
 * @property {"good" | "held" | "revoked" | "unknown"} status
 * @property {string | null} this_update
 * @property {string | null} holds_until
 * @property {string | null} evidence_sha256
 */

/**
 * A four-nature check: the last of its occasion.
 * @typedef {object} PackageCheck
 * @property {"ingest" | "handover" | "store"} occasion
 * @property {string} checked_at
 * @property {boolean} passed
 * @property {Array<PackageFinding>} findings
 */

/**
 * @typedef {object} PackageCopy
 * @property {string} store
 * @property {"present" | "missing" | "damaged" | "erasing" | "erased"} state
 * @property {string | null} written_at
 * @property {string | null} checked_at
 */

/**
 * @typedef {object} PackageFigure
 * @property {string} fonds
 * @property {number} year
 * @property {"permanent" | "30" | "10"} retention
 * @property {"numbered" | "writing" | "kept" | "erasing" | "disposed"} state
 * @property {number} packages
 * @property {number} bytes
 */

/**
 * @typedef {object} PackageFinding
 * @property {"authenticity" | "integrity" | "usability" | "security"} nature
 * @property {string} item
 * @property {boolean} passed
 * @property {string} detail
 */

/**
 * @typedef {object} PackagePage
 * @property {Array<PackageShown>} packages
 * @property {string | null} next
 */

/**
 * @typedef {object} PackageShown
 * @property {string} package
 * @property {string} href
 * @property {string} number
 * @property {number} sequence
 * @property {string} fonds
 * @property {string} catalogue
 * @property {number} year
 * @property {string} identifier
 * @property {string} occasion
 * @property {"permanent" | "30" | "10"} retention
 * @property {string | null} retention_until
 * @property {"numbered" | "writing" | "kept" | "erasing" | "disposed"} state
 * @property {number | null} size
 * @property {string | null} sha256
 * @property {string | null} kept_at
 * @property {PassedOn | null} passed_on
 */

/**
 * To another archive: on its way there, or accepted.
 * @typedef {object} PassedOn
 * @property {string} handover
 * @property {string} to
 * @property {string} name
 * @property {"waiting" | "handed_over"} state
 * @property {string | null} accepted_at
 */

/**
 * @typedef {object} PastEvent
 * @property {string} kind
 * @property {string} recorded_at
 */

/**
 * @typedef {object} PastStatus
 * @property {string} identifier
 * @property {string} at
 * @property {"effective" | "recorded"} clock
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {"penalty" | "other" | null} ground
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} since
 * @property {boolean} valid
 * @property {boolean} expired
 * @property {PastEvent} event
 */

/**
 * By `smtp` a link goes to the e-mail address `to`. By `webhook` it is posted to the client's own
 * endpoint of that id, which takes `notice`, for whom `to` names there. By `none` it is told in the
 * answer.
 * @typedef {object} PickUpBody
 * @property {"smtp" | "webhook" | "none"} channel
 * @property {string | null} [to]
 * @property {string | null} [webhook]
 * @property {"zh" | "en" | "es"} [language]
 * @property {number} [hours]
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} PickUpMade
 * @property {string} id
 * @property {string} href
 * @property {string} identifier
 * @property {"smtp" | "webhook" | "none"} channel
 * @property {"zh" | "en" | "es"} language
 * @property {PickUpState} state
 * @property {string} created_at
 * @property {string} expires_at
 * @property {string | null} used_at
 * @property {NoticeShown | null} notice
 * @property {string | null} link
 */

/**
 * @typedef {object} PickUpPage
 * @property {string} identifier
 * @property {Array<PickUpShown>} pick_ups
 * @property {string | null} [next]
 */

/**
 * A link by which a holder takes their document once.
 * @typedef {object} PickUpShown
 * @property {string} id
 * @property {string} href
 * @property {string} identifier
 * @property {"smtp" | "webhook" | "none"} channel
 * @property {"zh" | "en" | "es"} language
 * @property {PickUpState} state
 * @property {string} created_at
 * @property {string} expires_at
 * @property {string | null} used_at
 * @property {NoticeShown | null} notice
 */

/** @typedef {"open" | "used" | "expired" | "withdrawn"} PickUpState */

/**
 * A change that is decided, and waits for its day.
 * @typedef {object} PlannedChange
 * @property {string} id
 * @property {"suspend" | "resume" | "lift" | "end" | "remove" | "inspect"} operation
 * @property {string} due
 * @property {"penalty" | "other" | null} ground
 * @property {string | null} until
 * @property {"revoked" | "annulled" | "withdrawn" | "cancelled" | "replaced" | null} how
 * @property {string} legal_basis
 * @property {string} reason_code
 */

/**
 * `operator`: the account for which the agency's system shows it; an opaque name.
 * @typedef {object} PresentationBody
 * @property {string} operator
 * @property {number | null} [seconds]
 */

/**
 * A code that is being shown. Its link is the holder's, and is told only here and on a replay.
 * @typedef {object} PresentationMade
 * @property {string} licence
 * @property {string} link
 * @property {string} shown_at
 * @property {string} until
 * @property {number} seconds
 */

/**
 * RFC 9457. `type` is an address at this service that explains the kind and its reasons.
 * @typedef {object} Problem
 * @property {string} type
 * @property {string} title
 * @property {number} status
 * @property {string | null} [detail]
 * @property {string | null} [reason]
 * @property {Array<FaultEntry> | null} [errors]
 * @property {string | null} [request_id]
 */

/**
 * @typedef {object} ProofShown
 * @property {"own_tsa" | "outside_tsa" | "day_anchor"} kind
 * @property {string} name
 * @property {string} at
 * @property {boolean} independent
 */

/**
 * @typedef {object} Ready
 * @property {"ready"} status
 * @property {Array<Expiring> | null} [expiring]
 * @property {Array<"status_list"> | null} [overdue]
 */

/**
 * @typedef {object} Redelivered
 * @property {string} endpoint
 * @property {number} redelivered
 */

/**
 * What was given up is sent again, of events recorded since then.
 * @typedef {object} RedeliveryBody
 * @property {string | null} [operator]
 * @property {string} since
 */

/**
 * @typedef {object} RequestBody
 * @property {"p256-sha256" | "p384-sha384" | "rsa3072-sha256"} [suite]
 */

/**
 * `outage`: a source could not be asked, and is tried again; that is no `not_found`.
 * @typedef {object} RetrievalShown
 * @property {string} id
 * @property {string} material
 * @property {RetrievalState} state
 * @property {string} asked_at
 * @property {number} attempts
 * @property {string | null} tried_at
 * @property {string | null} outage
 * @property {string | null} next_attempt
 * @property {SourceShown | null} source
 * @property {string | null} purpose
 * @property {string | null} legal_basis
 * @property {string | null} retrieved_at
 * @property {string | null} sha256
 * @property {Record<string, string | Array<string>> | null} values
 */

/** @typedef {"waiting" | "outage" | "found" | "not_found" | "dropped"} RetrievalState */

/**
 * For how long secrets before the new one go on signing beside it; 0: not at all.
 * @typedef {object} RotationBody
 * @property {string | null} [operator]
 * @property {number} [overlap_hours]
 */

/** @typedef {"not_scanned" | "clean" | "own"} Scan */

/**
 * @typedef {object} Scheduled
 * @property {PlannedChange} scheduled
 * @property {true | null} [dry_run]
 */

/**
 * @typedef {object} SealChanged
 * @property {string} code
 * @property {string} agency
 * @property {SealKind} kind
 * @property {string} name
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} state
 * @property {number} state_version
 * @property {string | null} compromised_since
 * @property {SealShownIn} shown_in
 */

/**
 * @typedef {object} SealEditionShown
 * @property {string} id
 * @property {number} number
 * @property {string} certificate_serial
 * @property {string} certificate_state
 * @property {string | null} revoked_at
 * @property {number} width_mm
 * @property {number} height_mm
 * @property {string} valid_from
 * @property {string} valid_to
 * @property {string} name
 * @property {string} picture_sha256
 * @property {"made" | "filed" | "in_use" | "ended" | "dropped"} state
 * @property {string | null} in_use_from
 * @property {string | null} ended_at
 * @property {string | null} sealed_away_at
 * @property {MakerShown | null} [maker]
 * @property {OutsideShown | null} [outside]
 */

/** @typedef {"name" | "special" | "prefecture" | "province_unit" | "township" | "institution" | "province_government" | "government"} SealKind */

/**
 * A seal of a joint licence, as its record names it.
 * @typedef {object} SealNamed
 * @property {string} agency
 * @property {string} certificate
 */

/**
 * @typedef {object} SealPage
 * @property {Array<SealShown>} seals
 * @property {string | null} [next]
 */

/**
 * @typedef {object} SealShown
 * @property {string} code
 * @property {string} agency
 * @property {SealKind} kind
 * @property {string} name
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} state
 * @property {number} state_version
 * @property {string | null} compromised_since
 */

/**
 * Where the state of a seal shows already.
 * @typedef {object} SealShownIn
 * @property {"live" | "not_available" | "not_applicable" | null} [ocsp]
 * @property {"pending" | "published" | "not_available" | "not_applicable" | null} [crl]
 * @property {"not_available" | null} [log]
 * @property {"good" | "held" | "revoked" | null} [outside_authority]
 * @property {"pending" | "published" | null} [trust_list]
 */

/**
 * @typedef {object} SealStateShown
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} state
 * @property {string} from
 */

/**
 * @typedef {object} SealUseLine
 * @property {string} id
 * @property {string} begun_at
 * @property {string | null} ended_at
 * @property {string} seal_edition
 * @property {number} place
 * @property {string} authorisation
 * @property {string} intent
 * @property {"begun" | "applied" | "void"} state
 * @property {string | null} document_sha256
 */

/**
 * A licence edition that the seal sealed, or an annotated copy of one.
 * @typedef {object} SealingShown
 * @property {string} identifier
 * @property {string | null} copy
 * @property {number} edition
 * @property {string} type
 * @property {number} seal_edition
 * @property {string} sealed_at
 * @property {"time_stamp" | "signer"} clock
 * @property {"in_force" | "suspended" | "ended"} status
 * @property {string | null} ground
 * @property {string | null} how
 * @property {Standing} standing
 * @property {Array<ProofShown>} proofs
 */

/**
 * A secret that signs now; what it is was told once.
 * @typedef {object} SecretShown
 * @property {number} number
 * @property {string} created_at
 * @property {string | null} signs_until
 */

/**
 * Whom the token stands for.
 * @typedef {object} Self
 * @property {string} agency
 * @property {Name} name
 * @property {string} division
 * @property {boolean} seal_authority
 * @property {string} client
 * @property {Array<string>} scopes
 * @property {Array<string>} types
 * @property {string | null} person
 * @property {Array<string>} roles
 */

/** @typedef {"part" | "lead" | "system"} Side */

/**
 * What was found of a PDF's signatures when it came. It explains, and refuses nothing by itself.
 * @typedef {object} SignatureReportShown
 * @property {Record<string, string>} says
 * @property {Match} match
 * @property {Record<string, string>} match_says
 * @property {string | null} indication
 * @property {string | null} sub_indication
 * @property {string | null} signer
 * @property {string | null} signed_at
 * @property {string | null} level
 * @property {string | null} coverage
 * @property {string} explained
 * @property {Array<UploadSignature>} signatures
 */

/**
 * Who vouches for it, and through what it was had.
 * @typedef {object} SourceShown
 * @property {string} agency
 * @property {string | null} licence
 * @property {string | null} connector
 * @property {string | null} data_set
 */

/** @typedef {"proven" | "own_word" | "unproven" | "after"} Standing */

/**
 * Steps that need no words: an empty object.
 * @typedef {object} StepBody
 */

/**
 * @typedef {object} StepShown
 * @property {number} number
 * @property {Action} action
 * @property {CaseState} from
 * @property {CaseState} to
 * @property {Who} part
 * @property {string | null} person
 * @property {string} operator
 * @property {string} at
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {number | null} days
 * @property {string} words
 * @property {Array<ItemShown>} items
 * @property {Declared | null} declared
 * @property {boolean} told
 */

/** @typedef {"begin" | "give" | "miss" | "close"} SubAction */

/**
 * @typedef {object} SubCaseListed
 * @property {string} id
 * @property {string} case
 * @property {string} agency
 * @property {string} lead
 * @property {SubState} state
 * @property {string} began_on
 * @property {string | null} due_on
 * @property {boolean} provisional
 * @property {Opinion | null} opinion
 * @property {string} href
 */

/**
 * @typedef {object} SubCasePage
 * @property {Array<SubCaseListed>} sub_cases
 * @property {string | null} [next]
 */

/**
 * With what the agency needs of the application, and no more of it.
 * @typedef {object} SubCaseShown
 * @property {string} id
 * @property {string} case
 * @property {string} agency
 * @property {string} lead
 * @property {SubState} state
 * @property {string} began_on
 * @property {string | null} due_on
 * @property {boolean} provisional
 * @property {Opinion | null} opinion
 * @property {string} href
 * @property {string} matter
 * @property {Record<string, string>} name
 * @property {Record<string, string>} decides_on
 * @property {string} case_number
 * @property {CaseState} case_state
 * @property {ApplicantShown} applicant
 * @property {Record<string, any>} fields
 * @property {Array<SubMaterialShown>} materials
 * @property {string | null} may_be_missed
 * @property {Array<SubStepShown>} steps
 */

/**
 * A material that the agency needs: the latest version that was supplied, or that it was found.
 * @typedef {object} SubMaterialShown
 * @property {string} code
 * @property {Record<string, string>} name
 * @property {number | null} version
 * @property {string | null} media
 * @property {number | null} size
 * @property {string | null} href
 * @property {string | null} source
 */

/** @typedef {"waiting" | "handling" | "given" | "missed" | "closed"} SubState */

/**
 * @typedef {object} SubStepShown
 * @property {number} number
 * @property {SubAction} action
 * @property {SubState} from
 * @property {SubState} to
 * @property {Side} side
 * @property {string | null} person
 * @property {string} operator
 * @property {string} at
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {Opinion | null} opinion
 * @property {string} words
 */

/**
 * @typedef {object} SuspensionBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [effective_from]
 * @property {string | null} [operator]
 * @property {number | null} [status_version]
 * @property {"penalty" | "other"} ground
 * @property {string | null} [until]
 */

/**
 * `corrected`: with the applicant's other value, which is the source's, and by which the applicant
 * declares that it is true (`declaration`). `confirmed`: the source is wrong, and is told so.
 * `refused`: the applicant is wrong; no licence says what was refused.
 * @typedef {object} TaskEndingBody
 * @property {"corrected" | "confirmed" | "refused"} outcome
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [words]
 * @property {string | Array<string> | null} [value]
 * @property {boolean} [declaration]
 * @property {string | null} [operator]
 */

/**
 * What became of an error that the source was told.
 * @typedef {object} TaskErrorShown
 * @property {string} id
 * @property {ErrorState} state
 * @property {string | null} told_at
 * @property {string | null} outage
 * @property {string | null} answered_at
 * @property {string | null} answer
 */

/**
 * @typedef {object} TaskPage
 * @property {Array<TaskShown>} tasks
 * @property {string | null} [next]
 */

/**
 * A value that the applicant and a source tell differently.
 * @typedef {object} TaskShown
 * @property {string} id
 * @property {string} case
 * @property {string} retrieval
 * @property {string} field
 * @property {string} source_field
 * @property {string | Array<string>} applicant
 * @property {string | Array<string>} source
 * @property {TaskState} state
 * @property {string} opened_at
 * @property {string | null} ended_at
 * @property {string | null} person
 * @property {string} operator
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string} words
 * @property {TaskErrorShown | null} error
 */

/** @typedef {"open" | "corrected" | "confirmed" | "refused"} TaskState */

/**
 * @typedef {object} Token
 * @property {string} access_token
 * @property {"Bearer"} token_type
 * @property {number} expires_in
 * @property {string} scope
 */

/**
 * RFC 6749, 5.2.
 * @typedef {object} TokenRefusal
 * @property {string} error
 * @property {string} error_description
 */

/**
 * RFC 6749, 4.4, and RFC 7523. A client authenticates by `private_key_jwt`; a person acts through a
 * client of their agency by an assertion of their own; an auditor by that alone.
 * @typedef {object} TokenRequest
 * @property {"client_credentials" | "urn:ietf:params:oauth:grant-type:jwt-bearer"} grant_type
 * @property {string | null} [client_id]
 * @property {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer" | null} [client_assertion_type]
 * @property {string | null} [client_assertion]
 * @property {string | null} [assertion]
 * @property {string | null} [scope]
 * @property {string | null} [client_secret]
 */

/**
 * @typedef {object} TypeUsed
 * @property {string} code
 * @property {number} version
 * @property {Record<string, string>} name
 */

/**
 * @typedef {object} UploadSignature
 * @property {string} kind
 * @property {string | null} signer
 * @property {string | null} issuer
 * @property {string | null} authority
 * @property {string} integrity
 * @property {string} coverage
 * @property {number | null} revision
 * @property {string | null} at
 * @property {boolean} proven
 * @property {string | null} level
 * @property {string} indication
 * @property {string | null} sub_indication
 */

/**
 * What the licence's holder has shown (`lookup_code`), and for which matter and why it is used: the
 * holder sees that.
 * @typedef {object} UseBody
 * @property {string} lookup_code
 * @property {string} matter_code
 * @property {string} case_number
 * @property {string} reason
 * @property {string} legal_basis
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} UsePage
 * @property {string} seal
 * @property {Array<UseShown>} uses
 * @property {string | null} [next]
 */

/**
 * @typedef {object} UseShown
 * @property {string} id
 * @property {string} begun_at
 * @property {string | null} ended_at
 * @property {"begun" | "applied" | "void"} state
 * @property {number} seal_edition
 * @property {string | null} licence
 * @property {string | null} copy
 * @property {string} type
 * @property {string | null} document_sha256
 * @property {string} authorisation
 * @property {string} client
 * @property {string} client_name
 * @property {string} operator
 */

/** @typedef {"missing" | "unsigned"} Want */

/**
 * @typedef {object} WantedShown
 * @property {string} code
 * @property {Record<string, string>} name
 */

/** @typedef {"applicant" | "window" | "handler" | "approver" | "system"} Who */

/**
 * @typedef {object} WholePackage
 * @property {string} package
 * @property {string} href
 * @property {string} number
 * @property {number} sequence
 * @property {string} fonds
 * @property {string} catalogue
 * @property {number} year
 * @property {string} identifier
 * @property {string} occasion
 * @property {"permanent" | "30" | "10"} retention
 * @property {string | null} retention_until
 * @property {"numbered" | "writing" | "kept" | "erasing" | "disposed"} state
 * @property {number | null} size
 * @property {string | null} sha256
 * @property {string | null} kept_at
 * @property {PassedOn | null} passed_on
 * @property {Array<PackageCopy>} copies
 * @property {Array<PackageCheck>} checks
 * @property {Array<string>} time_stamped_at
 * @property {ArrivedFrom | null} arrived_from
 */

/**
 * @typedef {object} WholeSeal
 * @property {string} code
 * @property {string} agency
 * @property {SealKind} kind
 * @property {string} name
 * @property {"approved" | "made" | "filed" | "active" | "suspended" | "cancelled"} state
 * @property {number} state_version
 * @property {string | null} compromised_since
 * @property {Array<SealStateShown>} history
 * @property {Array<SealEditionShown>} editions
 * @property {SealShownIn} shown_in
 * @property {Array<AuthorisationShown>} authorisations
 */

/**
 * @typedef {object} WithdrawalBody
 * @property {string} legal_basis
 * @property {string} reason_code
 * @property {string | null} [operator]
 */

/**
 * @typedef {object} WithdrawnChange
 * @property {PlannedChange} withdrawn
 * @property {true | null} [dry_run]
 */

/** @typedef {LicencePayload | BatchPayload | NoticePayload} News */

/** The service refused: `status` is HTTP's, `problem` its problem document (RFC 9457), `kind` the last part of its
 * type. The same request under `idempotencyKey` is asked again safely.
 */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   * @param {number | null} retryAfter seconds
   * @param {string | null} idempotencyKey
   */
  constructor(status, problem, retryAfter, idempotencyKey) {
    super(`${status}: ${problem.detail || problem.title || "refused"}`);
    this.name = new.target.name;
    this.status = status;
    this.problem = problem;
    this.kind = kindOf(problem);
    this.reason = problem.reason ?? null;
    this.retryAfter = retryAfter;
    this.idempotencyKey = idempotencyKey;
  }
}

/** Nothing is wrong with the request; the present state does not permit it. */
export class ConflictError extends ApiError {}

/** It is known who you are, and this is not yours to do. */
export class ForbiddenError extends ApiError {}

/** This Idempotency-Key came with another body before. */
export class IdempotencyKeyReusedError extends ApiError {}

/** A request with the same Idempotency-Key is being served now. */
export class InProgressError extends ApiError {}

/** The service failed in a way that was not expected. It is counted and logged. */
export class InternalErrorError extends ApiError {}

/** The request was read, and something it says breaks a rule: `errors` names each. */
export class InvalidError extends ApiError {}

/** Who holds the key does not sign this. */
export class KeyUseRefusedError extends ApiError {}

/** The request cannot be read. */
export class MalformedError extends ApiError {}

/** There is no such thing here, or it is not yours to see. */
export class NotFoundError extends ApiError {}

/** The request is larger than is read here. */
export class TooLargeError extends ApiError {}

/** You have asked more often, or for more, than is permitted. */
export class TooManyRequestsError extends ApiError {}

/** There is no credential, or it is not known or has lapsed. */
export class UnauthenticatedError extends ApiError {}

/** Part of the service is out, which says nothing about what was asked. */
export class UnavailableError extends ApiError {}

/** This media type or content encoding is not read here. */
export class UnsupportedMediaTypeError extends ApiError {}

/** @type {Map<string | undefined, typeof ApiError>} */
const KINDS = new Map([
  ["conflict", ConflictError],
  ["forbidden", ForbiddenError],
  ["idempotency-key-reused", IdempotencyKeyReusedError],
  ["in-progress", InProgressError],
  ["internal-error", InternalErrorError],
  ["invalid", InvalidError],
  ["key-use-refused", KeyUseRefusedError],
  ["malformed", MalformedError],
  ["not-found", NotFoundError],
  ["too-large", TooLargeError],
  ["too-many-requests", TooManyRequestsError],
  ["unauthenticated", UnauthenticatedError],
  ["unavailable", UnavailableError],
  ["unsupported-media-type", UnsupportedMediaTypeError],
]);

/** @param {Uint8Array} data @param {string} accept @param {boolean} binary */
function read(data, accept, binary) {
  if (binary) return data;
  const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
  if (accept !== JSON_TYPE) return text;
  return text === "" ? null : JSON.parse(text);
}

/** No whole answer came. Whether the request was served is not known: ask again under `idempotencyKey`. */
export class NoAnswerError extends Error {
  /** @param {string} words @param {string | null} [idempotencyKey] */
  constructor(words, idempotencyKey = null) {
    super(words);
    this.name = "NoAnswerError";
    this.idempotencyKey = idempotencyKey;
  }
}

/** What was read before is what there is. */
export class NotModified extends Error {}

/** No token was given (RFC 6749, 5.2). */
export class TokenRefusedError extends Error {
  /** @param {string} error @param {string} description */
  constructor(error, description) {
    super(`${error}: ${description}`);
    this.name = "TokenRefusedError";
    this.error = error;
  }
}

/** It is not signed, or not now, by any of the secrets: answer 401, and forget what it says. */
export class WebhookRefusedError extends Error {}

/** What was answered. @template T */
export class Answer {
  /** @param {number} status @param {T} body @param {Headers} headers */
  constructor(status, body, headers) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }

  /** @returns {string | null} */
  get etag() {
    return this.headers.get("ETag");
  }

  /** Whether this very request had been answered before. */
  get replayed() {
    return this.headers.get("Idempotency-Replayed") === "true";
  }

  /** @returns {string | null} */
  get location() {
    return this.headers.get("Location");
  }
}

/**
 * Who asks, as `vermilion credential file` writes it: a client by its key (or, in a demonstration, its secret), and
 * a person who acts through it. A key is a private JWK on P-256, a CryptoKey, or whatever makes an ES256 signature
 * (r and s, 64 octets) of octets.
 *
 * @typedef {JsonWebKey | CryptoKey | ((data: Uint8Array) => Promise<Uint8Array>)} Key
 * @typedef {object} Credential
 * @property {string | null} [client_id]
 * @property {Key | null} [client_key]
 * @property {string | null} [client_secret]
 * @property {string | null} [person_id]
 * @property {Key | null} [person_key]
 */

/** An Idempotency-Key that nobody has used. @returns {string} */
export const newKey = () => webcrypto.randomUUID();

/**
 * What a webhook says that is signed by one of the endpoint's secrets (`whsec_...`; Standard Webhooks 1.0.0).
 *
 * It may come again, and later than a newer one: whoever has seen its `event` takes it for done, and
 * `status_version` says which is newer.
 *
 * @param {Headers | Record<string, string>} headers
 * @param {Uint8Array} body
 * @param {Iterable<string>} secrets
 * @param {{now?: number, tolerance?: number}} [options] seconds
 * @returns {Promise<News>}
 * @throws {WebhookRefusedError}
 */
export async function readWebhook(headers, body, secrets, { now = Date.now() / 1000, tolerance = 300 } = {}) {
  const found = new Headers(headers);
  const event = found.get("webhook-id") ?? "";
  const sent = found.get("webhook-timestamp") ?? "";
  if (!/^[0-9]{1,12}$/.test(sent)) throw new WebhookRefusedError("no time");
  if (Math.abs(now - Number(sent)) > tolerance) throw new WebhookRefusedError("not of now");
  const start = encoder.encode(`${event}.${sent}.`);
  const signed = new Uint8Array(start.length + body.length);
  signed.set(start);
  signed.set(body, start.length);
  const given = (found.get("webhook-signature") ?? "").split(" ").filter((one) => one.startsWith("v1,"));
  for (const secret of secrets) {
    const raw = fromBase64(secret.replace(/^whsec_/, ""));
    const key = await webcrypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const one of given) {
      const signature = fromBase64(one.slice(3));
      if (signature !== null && (await webcrypto.subtle.verify("HMAC", key, signature, signed))) {
        return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
      }
    }
  }
  throw new WebhookRefusedError("signed by none of the secrets");
}

/** @param {string} text @returns {Uint8Array | null} */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** @param {Uint8Array} data */
function base64url(data) {
  const text = btoa(String.fromCharCode(...data));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** A JWT that serves once, within a minute. @param {Key} key @param {string} subject @param {string} audience */
async function assertion(key, subject, audience) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: subject, sub: subject, aud: audience, iat: now, exp: now + 60, jti: newKey() };
  const parts = [{ alg: "ES256", typ: "JWT" }, claims];
  const text = parts.map((part) => base64url(encoder.encode(JSON.stringify(part)))).join(".");
  const signature = await (typeof key === "function" ? key(encoder.encode(text)) : es256(key, encoder.encode(text)));
  return `${text}.${base64url(signature)}`;
}

/** @param {JsonWebKey | CryptoKey} key @param {Uint8Array} data */
async function es256(key, data) {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  let own = key;
  if (!("algorithm" in key)) {
    const { kty, crv, x, y, d } = /** @type {JsonWebKey} */ (key);
    own = await webcrypto.subtle.importKey("jwk", { kty, crv, x, y, d }, curve, false, ["sign"]);
  }
  return new Uint8Array(await webcrypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, own, data));
}

/** A variable of a path. It is a part and no way to another place. @param {string} text */
function part(text) {
  if (["", ".", ".."].includes(text)) throw new TypeError("this is no part of a path");
  return encodeURIComponent(text);
}

/** @param {Record<string, unknown>} members */
function queryOf(members) {
  const said = Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== false);
  const query = new URLSearchParams(said.map(([name, value]) => [name, value === true ? "1" : String(value)]));
  return said.length > 0 ? `?${query}` : "";
}

/** @param {Iterable<object> | Uint8Array} value */
function lines(value) {
  if (value instanceof Uint8Array) return value;
  return encoder.encode([...value].map((one) => `${JSON.stringify(one)}\n`).join(""));
}

/** @param {Problem} problem */
function kindOf(problem) {
  return String(problem.type).split("/").pop();
}

/** @param {Uint8Array} data @returns {Record<string, any>} */
function objectOf(data) {
  try {
    const value = JSON.parse(new TextDecoder().decode(data));
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** Of a Retry-After: seconds, or a date (RFC 9110, 10.2.3). @param {string | null} text */
function seconds(text) {
  if (text === null) return null;
  if (/^[0-9]+$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1000);
}

/** @param {number} status @param {Headers} headers @param {Uint8Array} data @param {string | null} key */
function refused(status, headers, data, key) {
  const told = (headers.get("Content-Type") ?? "").includes("json") ? objectOf(data) : {};
  const problem = /** @type {Problem} */ ({ type: "about:blank", title: "refused", status, ...told });
  const Kind = KINDS.get(kindOf(problem)) ?? ApiError;
  return new Kind(status, problem, seconds(headers.get("Retry-After")), key);
}

/** Whether the very request may well be served a little later. @param {ApiError} error */
function passes(error) {
  return [502, 503, 504].includes(error.status) || (error.status === 409 && error.retryAfter !== null);
}

/** The agency API at `origin`, such as "https://api.example". */
export class Client {
  #origin;
  #credential;
  #options;
  #token = "";
  #until = 0;
  /** @type {Promise<string> | null} */
  #asking = null;

  /**
   * `audience`: what tokens are asked of, where the service is called otherwise there than here. `timeout`: seconds
   * for an answer; `attempts` and `patience`: how often, and for how many seconds, a request is repeated. `fetch`:
   * instead of the global one, for a client's certificate.
   *
   * @param {string} origin
   * @param {Credential} [credential]
   * @param {{audience?: string, timeout?: number, attempts?: number, patience?: number, fetch?: typeof fetch,
   *   sleep?: (seconds: number) => Promise<void>}} [options]
   */
  constructor(origin, credential = {}, options = {}) {
    if (!/^https?:\/\//.test(origin)) throw new TypeError("an origin begins with https:// or http://");
    this.#origin = origin.replace(/\/+$/, "");
    this.#credential = credential;
    this.#options = {
      audience: `${this.#origin}/oauth2/token`,
      timeout: 30,
      attempts: 6,
      patience: 120,
      fetch: globalThis.fetch,
      sleep: (/** @type {number} */ wait) => new Promise((wake) => setTimeout(wake, wait * 1000)),
      ...options,
    };
  }

  /**
   * The answer, read by its media type.
   *
   * @param {string} method
   * @param {string} path
   * @param {{query?: Record<string, unknown>, body?: Uint8Array | string, media?: string, accept?: string,
   *   binary?: boolean, key?: string | null, etag?: string, more?: Record<string, any>, openToAll?: boolean}} [wanted]
   * @returns {Promise<Answer<any>>}
   */
  async #ask(method, path, wanted = {}) {
    const { query = {}, body, media = JSON_TYPE, accept = JSON_TYPE, binary = false } = wanted;
    const { key = null, etag, more = {}, openToAll = false } = wanted;
    const headers = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    headers.Accept = `${accept}, application/problem+json`;
    if (body !== undefined) headers["Content-Type"] = media;
    if (key !== null) headers["Idempotency-Key"] = key;
    if (etag !== undefined) headers["If-None-Match"] = etag;
    const url = this.#origin + path + queryOf(query);
    const mayRepeat = method === "GET" || key !== null;
    const until = Date.now() / 1000 + this.#options.patience;
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      let failure;
      let again;
      try {
        const token = openToAll ? null : await this.#bearer();
        if (token !== null) headers.Authorization = `Bearer ${token}`;
        const [status, received, data] = await this.#once(method, url, headers, body);
        if (status >= 200 && status < 300) return new Answer(status, read(data, accept, binary), received);
        if (status === 304) throw new NotModified("not modified");
        if (status === 401 && token !== null && !renewed) {
          renewed = true;
          if (token === this.#token) this.#until = 0;
          attempt -= 1;
          continue;
        }
        failure = refused(status, received, data, key);
        again = status === 429 || (mayRepeat && passes(failure));
      } catch (error) {
        if (!(error instanceof NoAnswerError)) throw error;
        failure = new NoAnswerError(error.message, key);
        again = mayRepeat;
      }
      const asked = failure instanceof ApiError ? failure.retryAfter : null;
      const wait = asked ?? Math.min(0.5 * 2 ** attempt, 20) * (0.5 + Math.random() / 2);
      if (!again || attempt >= this.#options.attempts || Date.now() / 1000 + wait > until) throw failure;
      await this.#options.sleep(wait);
    }
  }

  /**
   * A redirect is an answer: a token is sent to the origin that it is meant for alone.
   *
   * @param {string} method
   * @param {string} url
   * @param {Record<string, string>} headers
   * @param {Uint8Array | string} [body]
   * @returns {Promise<[number, Headers, Uint8Array]>}
   */
  async #once(method, url, headers, body) {
    const signal = AbortSignal.timeout(this.#options.timeout * 1000);
    try {
      const { fetch } = this.#options;
      const response = await fetch(url, { method, headers, body, redirect: "manual", signal });
      return [response.status, response.headers, new Uint8Array(await response.arrayBuffer())];
    } catch (error) {
      throw new NoAnswerError(`no answer: ${/** @type {Error} */ (error).name}`);
    }
  }

  /** @param {Answer<any>} page @param {string} listed */
  async *#pages(page, listed) {
    for (;;) {
      yield* page.body[listed];
      const following = page.body.next ?? null;
      if (following === null) return;
      if (!following.startsWith("/")) throw new TypeError("the next page is not this service's");
      page = await this.#ask("GET", following);
    }
  }

  /** @returns {Promise<string | null>} */
  async #bearer() {
    const { client_id: clientId, person_id: personId } = this.#credential;
    if (!clientId && !personId) return null;
    if (Date.now() / 1000 < this.#until) return this.#token;
    this.#asking ??= this.#newToken().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** By private_key_jwt (RFC 7523, 2.2); a person's own assertion is the grant (2.1). @returns {Promise<string>} */
  async #newToken() {
    const who = this.#credential;
    const { audience } = this.#options;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (who.client_id) {
      form.set("client_id", who.client_id);
      if (who.client_key) {
        form.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        form.set("client_assertion", await assertion(who.client_key, who.client_id, audience));
      } else if (who.client_secret) {
        form.set("client_secret", who.client_secret);
      }
    }
    if (who.person_id && who.person_key) {
      form.set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
      form.set("assertion", await assertion(who.person_key, who.person_id, audience));
    }
    const headers = { "Content-Type": "application/x-www-form-urlencoded", Accept: JSON_TYPE };
    const [status, received, data] = await this.#once("POST", `${this.#origin}/oauth2/token`, headers, `${form}`);
    const told = objectOf(data);
    if (status === 200 && typeof told.access_token === "string") {
      this.#token = told.access_token;
      this.#until = Date.now() / 1000 + Number(told.expires_in ?? 60) - 30;
      return this.#token;
    }
    if ([400, 401].includes(status) && "error" in told) {
      throw new TokenRefusedError(String(told.error), String(told.error_description ?? ""));
    }
    throw refused(status, received, data, null);
  }

  // --- an operation each

  /**
   * The signed trust list.
   *
   * @returns {Promise<Answer<string>>}
   */
  readTrustList() {
    return this.#ask("GET", "/.well-known/elicence/trust-list", {
      accept: "application/jose",
      openToAll: true,
    });
  }

  /**
   * Whom the token stands for.
   *
   * @returns {Promise<Answer<Self>>}
   */
  whoAmI() {
    return this.#ask("GET", "/api/v1/agencies/self");
  }

  /**
   * What waits for an approver.
   *
   * What is asked about seals and nobody has decided, what ends first coming first; not what the
   * approver asked for.
   *
   * A person who acts has the role `approver`. Approvers and makers are people of a seal
   * authority.
   *
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<ApprovalPage>>}
   */
  listApprovals(options = {}) {
    return this.#ask("GET", "/api/v1/approvals", { query: { after: options.after } });
  }

  /**
   * What `listApprovals` lists, page after page.
   *
   * @returns {AsyncGenerator<ApprovalShown>}
   */
  async *listApprovalsAll() {
    yield* this.#pages(await this.listApprovals(), "approvals");
  }

  /**
   * What was asked about a seal.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} approvalId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  readApproval(approvalId, options = {}) {
    return this.#ask("GET", `/api/v1/approvals/${part(approvalId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Agree to what was asked about a seal, or refuse.
   *
   * A person who acts has the role `approver`. Approvers and makers are people of a seal
   * authority.
   *
   * @param {string} approvalId
   * @param {DecisionBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ChangeDecided>>}
   */
  decideChange(approvalId, request, options = {}) {
    return this.#ask("POST", `/api/v1/approvals/${part(approvalId)}/decision`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Packages of the agency in the archive.
   *
   * The newest years first. The register does not say what is in a package: no personal data is
   * here.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {{number?: string, identifier?: string, catalogue?: string, year?: number, limit?: number, after?: string}} [options]
   * @returns {Promise<Answer<PackagePage>>}
   */
  findPackages(options = {}) {
    return this.#ask("GET", "/api/v1/archive/packages", {
      query: { number: options.number, identifier: options.identifier, catalogue: options.catalogue, year: options.year, limit: options.limit, after: options.after },
    });
  }

  /**
   * What `findPackages` lists, page after page.
   *
   * @param {{number?: string, identifier?: string, catalogue?: string, year?: number, limit?: number}} [options]
   * @returns {AsyncGenerator<PackageShown>}
   */
  async *findPackagesAll(options = {}) {
    yield* this.#pages(await this.findPackages(options), "packages");
  }

  /**
   * A package with its checks and copies.
   *
   * Its entry of the register: every item of its four-nature checks, its copies and when each
   * was last read whole, its time-stamps, where it came from and went to.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} packageId
   * @returns {Promise<Answer<WholePackage>>}
   */
  readPackage(packageId) {
    return this.#ask("GET", `/api/v1/archive/packages/${part(packageId)}`);
  }

  /**
   * Figures of the agency's archive.
   *
   * By fonds, year and retention; copies by store; checks that did not pass; what went to
   * another archive; and what waits to be archived.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @returns {Promise<Answer<ArchiveStatistics>>}
   */
  readArchiveStatistics() {
    return this.#ask("GET", "/api/v1/archive/statistics");
  }

  /**
   * Events, refusals, uses of keys and of seals.
   *
   * A page, as JSON, or as NDJSON whose last line is a trailer; both say where the next page
   * begins.
   *
   * An auditor, by a token of their own.
   *
   * @param {string} ledger
   * @param {{since?: string, until?: string, actor?: string, kind?: string, after?: string}} [options]
   * @returns {Promise<Answer<AuditPage>>}
   */
  readAudit(ledger, options = {}) {
    return this.#ask("GET", `/api/v1/audit/${part(ledger)}`, {
      query: { since: options.since, until: options.until, actor: options.actor, kind: options.kind, after: options.after },
    });
  }

  /**
   * What `readAudit` lists, page after page.
   *
   * @param {string} ledger
   * @param {{since?: string, until?: string, actor?: string, kind?: string}} [options]
   * @returns {AsyncGenerator<EventLine | KeyUseLine | KeyUseBlockLine | SealUseLine>}
   */
  async *readAuditAll(ledger, options = {}) {
    yield* this.#pages(await this.readAudit(ledger, options), "lines");
  }

  /**
   * Events, refusals, uses of keys and of seals.
   *
   * A page, as JSON, or as NDJSON whose last line is a trailer; both say where the next page
   * begins.
   *
   * An auditor, by a token of their own.
   *
   * @param {string} ledger
   * @param {{since?: string, until?: string, actor?: string, kind?: string, after?: string}} [options]
   * @returns {Promise<Answer<string>>}
   */
  readAuditLines(ledger, options = {}) {
    return this.#ask("GET", `/api/v1/audit/${part(ledger)}`, {
      query: { since: options.since, until: options.until, actor: options.actor, kind: options.kind, after: options.after },
      accept: "application/x-ndjson",
    });
  }

  /**
   * Send a batch.
   *
   * 202 with the batch, on a replay too, which says `Idempotency-Replayed: true`.
   *
   * The body is NDJSON, or CSV with a header: each line is what `POST /api/v1/licences` takes.
   * With `dry_run=1` the lines are checked and nothing is issued.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {Iterable<object> | Uint8Array} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<BatchShown>>}
   */
  sendBatch(request, options = {}) {
    return this.#ask("POST", "/api/v1/batches", {
      query: { dry_run: options.dryRun },
      body: lines(request),
      media: "application/x-ndjson",
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Send a batch.
   *
   * 202 with the batch, on a replay too, which says `Idempotency-Replayed: true`.
   *
   * The body is NDJSON, or CSV with a header: each line is what `POST /api/v1/licences` takes.
   * With `dry_run=1` the lines are checked and nothing is issued.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {Uint8Array} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<BatchShown>>}
   */
  sendBatchCsv(request, options = {}) {
    return this.#ask("POST", "/api/v1/batches", {
      query: { dry_run: options.dryRun },
      body: request,
      media: "text/csv",
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The agency's batches.
   *
   * The newest first, in pages of 100; `state` picks one. How far each is, it says itself.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {{after?: string, state?: "checking" | "refused" | "checked" | "issuing" | "cancelling" | "cancelled" | "done"}} [options]
   * @returns {Promise<Answer<BatchPage>>}
   */
  listBatches(options = {}) {
    return this.#ask("GET", "/api/v1/batches", { query: { after: options.after, state: options.state } });
  }

  /**
   * What `listBatches` lists, page after page.
   *
   * @param {{state?: "checking" | "refused" | "checked" | "issuing" | "cancelling" | "cancelled" | "done"}} [options]
   * @returns {AsyncGenerator<BatchListed>}
   */
  async *listBatchesAll(options = {}) {
    yield* this.#pages(await this.listBatches(options), "batches");
  }

  /**
   * A batch.
   *
   * How far it is: lines by state.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} batchId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<BatchShown>>}
   */
  readBatch(batchId, options = {}) {
    return this.#ask("GET", `/api/v1/batches/${part(batchId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Cancel a batch.
   *
   * Lines that nobody has begun are not issued. The answer is the batch as it stands then.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} batchId
   * @param {CancelBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<BatchShown>>}
   */
  cancelBatch(batchId, request, options = {}) {
    return this.#ask("POST", `/api/v1/batches/${part(batchId)}/cancel`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The documents of a batch.
   *
   * A ZIP of the sealed originals, once the batch has come to its end:
   * `<line>-<identifier>.pdf`. Their holders see that they were downloaded.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} batchId
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readBatchDocuments(batchId) {
    return this.#ask("GET", `/api/v1/batches/${part(batchId)}/documents`, {
      accept: "application/zip",
      binary: true,
    });
  }

  /**
   * The lines of a batch.
   *
   * What became of each line, in pages of 500; `state` picks one. A line that was refused or
   * failed says what is wrong with it, never its values.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} batchId
   * @param {{after?: number, state?: "received" | "checking" | "refused" | "checked" | "waiting" | "issuing" | "issued" | "failed" | "cancelled"}} [options]
   * @returns {Promise<Answer<BatchItemPage>>}
   */
  readBatchItems(batchId, options = {}) {
    return this.#ask("GET", `/api/v1/batches/${part(batchId)}/items`, {
      query: { after: options.after, state: options.state },
    });
  }

  /**
   * What `readBatchItems` lists, page after page.
   *
   * @param {string} batchId
   * @param {{state?: "received" | "checking" | "refused" | "checked" | "waiting" | "issuing" | "issued" | "failed" | "cancelled"}} [options]
   * @returns {AsyncGenerator<BatchItemShown>}
   */
  async *readBatchItemsAll(batchId, options = {}) {
    yield* this.#pages(await this.readBatchItems(batchId, options), "items");
  }

  /**
   * File an application.
   *
   * As a draft, or with the applicant's declaration as a submission, which has a number and a
   * code by which the applicant follows it. The code is told here, and again to the very same
   * request.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {CaseBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseFiled>>}
   */
  fileCase(request, options = {}) {
    return this.#ask("POST", "/api/v1/cases", {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The agency's cases.
   *
   * The newest first, or by when they are due; in pages of 100.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {{after?: string, state?: "draft" | "submitted" | "received" | "correction" | "accepted" | "not_accepted" | "returned" | "handling" | "suspended" | "permitted" | "refused" | "terminated" | "withdrawn" | "done" | "archived" | "lapsed", due?: "today" | "overdue"}} [options]
   * @returns {Promise<Answer<CasePage>>}
   */
  listCases(options = {}) {
    return this.#ask("GET", "/api/v1/cases", {
      query: { after: options.after, state: options.state, due: options.due },
    });
  }

  /**
   * What `listCases` lists, page after page.
   *
   * @param {{state?: "draft" | "submitted" | "received" | "correction" | "accepted" | "not_accepted" | "returned" | "handling" | "suspended" | "permitted" | "refused" | "terminated" | "withdrawn" | "done" | "archived" | "lapsed", due?: "today" | "overdue"}} [options]
   * @returns {AsyncGenerator<CaseListed>}
   */
  async *listCasesAll(options = {}) {
    yield* this.#pages(await this.listCases(options), "cases");
  }

  /**
   * A case.
   *
   * The application, every step with who, when and why, the clocks, and what became of its
   * licence.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<CaseShown>>}
   */
  readCase(caseId, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Change a draft.
   *
   * What is sent takes the place of the draft's contents; what was submitted is changed by no
   * such way.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {DraftBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseShown>>}
   */
  redrawCase(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/application`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Decide a case.
   *
   * By a person who decides and has not handled it. With a permission the licence is ordered,
   * once: it is issued at once, and the case is done when it is.
   *
   * A person who acts has the role `decider`.
   *
   * @param {string} caseId
   * @param {CaseDecisionBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseShown>>}
   */
  decideCase(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/decisions`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Make the application's form.
   *
   * A PDF of what the application says now, with the declaration of truth: to be confirmed by
   * its digest, or signed. The same application has the same form.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {FormBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<FormShown>>}
   */
  makeForm(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/form`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The application's form.
   *
   * Whether it was confirmed or signed, and whether it says what the application says.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<FormShown>>}
   */
  readForm(caseId, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/form`, { etag: options.ifNoneMatch });
  }

  /**
   * Confirm the application's form.
   *
   * By an applicant who has no signature tool. It stands for the declaration, as long as the
   * application is not changed.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {ConfirmationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<FormShown>>}
   */
  confirmForm(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/form/confirmation`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Bring the form, signed.
   *
   * The form as it was made, and behind it the applicant's signature. It stands for the
   * declaration where that signature is the applicant's; whose it is, the answer says.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {Uint8Array} request
   * @param {{operator?: string}} [options]
   * @returns {Promise<Answer<FormShown>>}
   */
  signForm(caseId, request, options = {}) {
    return this.#ask("PUT", `/api/v1/cases/${part(caseId)}/form/signature`, {
      body: request,
      media: "application/pdf",
      more: { "Operator": options.operator },
    });
  }

  /**
   * Order a case's licence anew.
   *
   * After it was refused: the case is permitted still, and what the decision said of the licence
   * is put right.
   *
   * A person who acts has the role `decider`.
   *
   * @param {string} caseId
   * @param {AnewBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseShown>>}
   */
  orderCaseLicence(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/licence`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The materials of a case.
   *
   * Every file that was supplied, those that were replaced too.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<MaterialVersionList>>}
   */
  listMaterials(caseId, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/materials`, { etag: options.ifNoneMatch });
  }

  /**
   * Supply a material.
   *
   * While the application is a draft or is being corrected. The file is examined at once: what
   * is no such file, is encrypted, or does more than show itself is refused; the answer tells
   * who signed a PDF, and whether that is the applicant. What it takes the place of stays on
   * record.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {Uint8Array} request
   * @param {{operator?: string}} [options]
   * @returns {Promise<Answer<MaterialVersionShown>>}
   */
  supplyMaterial(caseId, materialCode, request, options = {}) {
    return this.#ask("PUT", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}`, {
      body: request,
      media: "application/pdf",
      more: { "Operator": options.operator },
    });
  }

  /**
   * Supply a material.
   *
   * While the application is a draft or is being corrected. The file is examined at once: what
   * is no such file, is encrypted, or does more than show itself is refused; the answer tells
   * who signed a PDF, and whether that is the applicant. What it takes the place of stays on
   * record.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {Uint8Array} request
   * @param {{operator?: string}} [options]
   * @returns {Promise<Answer<MaterialVersionShown>>}
   */
  supplyMaterialJpeg(caseId, materialCode, request, options = {}) {
    return this.#ask("PUT", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}`, {
      body: request,
      media: "image/jpeg",
      more: { "Operator": options.operator },
    });
  }

  /**
   * Supply a material.
   *
   * While the application is a draft or is being corrected. The file is examined at once: what
   * is no such file, is encrypted, or does more than show itself is refused; the answer tells
   * who signed a PDF, and whether that is the applicant. What it takes the place of stays on
   * record.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {Uint8Array} request
   * @param {{operator?: string}} [options]
   * @returns {Promise<Answer<MaterialVersionShown>>}
   */
  supplyMaterialPng(caseId, materialCode, request, options = {}) {
    return this.#ask("PUT", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}`, {
      body: request,
      media: "image/png",
      more: { "Operator": options.operator },
    });
  }

  /**
   * A material's file.
   *
   * As it was supplied.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readMaterial(caseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "application/pdf",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * A material's file.
   *
   * As it was supplied.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readMaterialJpeg(caseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "image/jpeg",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * A material's file.
   *
   * As it was supplied.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} caseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readMaterialPng(caseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "image/png",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Look again for what was not found.
   *
   * At once, in the background: sources that were out, and those that had nothing.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {LookAgainBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseRetrievals>>}
   */
  lookAgain(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/retrievals`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * What was looked for, for a case.
   *
   * Each required material that somebody else may have is looked for when an application comes,
   * before the applicant is asked: among licences, then in data exchange.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {string} caseId
   * @returns {Promise<Answer<CaseRetrievals>>}
   */
  listRetrievals(caseId) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/retrievals`);
  }

  /**
   * Take a step of a case.
   *
   * The window's, the handler's, and what the applicant did. What the state does not permit is
   * refused, and whatever step lacks what the law has it say.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} caseId
   * @param {CaseStepBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CaseFiled>>}
   */
  stepCase(caseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/cases/${part(caseId)}/steps`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The differences of a case.
   *
   * Where the application and what was retrieved say different things. A case with an open one
   * is not permitted.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {string} caseId
   * @returns {Promise<Answer<TaskPage>>}
   */
  listCaseTasks(caseId) {
    return this.#ask("GET", `/api/v1/cases/${part(caseId)}/tasks`);
  }

  /**
   * What `listCaseTasks` lists, page after page.
   *
   * @param {string} caseId
   * @returns {AsyncGenerator<TaskShown>}
   */
  async *listCaseTasksAll(caseId) {
    yield* this.#pages(await this.listCaseTasks(caseId), "tasks");
  }

  /**
   * Licences of the agency.
   *
   * A page of licences, newest registration first; `next` leads to the one after it, if there is
   * one.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {{type?: string, number?: string, holder?: string, status?: "in_force" | "suspended" | "ended", registeredFrom?: string, registeredTo?: string, limit?: number, after?: string}} [options]
   * @returns {Promise<Answer<LicencePage>>}
   */
  findLicences(options = {}) {
    return this.#ask("GET", "/api/v1/licences", {
      query: { type: options.type, number: options.number, holder: options.holder, status: options.status, registered_from: options.registeredFrom, registered_to: options.registeredTo, limit: options.limit, after: options.after },
    });
  }

  /**
   * What `findLicences` lists, page after page.
   *
   * @param {{type?: string, number?: string, holder?: string, status?: "in_force" | "suspended" | "ended", registeredFrom?: string, registeredTo?: string, limit?: number}} [options]
   * @returns {AsyncGenerator<LicenceSummary>}
   */
  async *findLicencesAll(options = {}) {
    yield* this.#pages(await this.findLicences(options), "licences");
  }

  /**
   * Issue a licence.
   *
   * 201 with the licence, on a replay too, which says `Idempotency-Replayed: true`; 200 for a
   * dry run.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {IssueBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicencePreview | LicenceIssued>>}
   */
  issueLicence(request, options = {}) {
    return this.#ask("POST", "/api/v1/licences", {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A licence's status and record.
   *
   * Status and record; link and look-up code are the holder's and are not told again.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<LicenceShown>>}
   */
  readLicence(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}`, { etag: options.ifNoneMatch });
  }

  /**
   * What `readLicence` lists, page after page.
   *
   * @param {string} identifier
   * @returns {AsyncGenerator<PlannedChange>}
   */
  async *readLicenceAll(identifier) {
    yield* this.#pages(await this.readLicence(identifier), "scheduled");
  }

  /**
   * Amend a licence 变更.
   *
   * 变更: the next edition says something else.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {ChangedFieldsBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicencePreview | LicenceIssued>>}
   */
  amendLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/amendment`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Make an annotated copy 加注件.
   *
   * A copy of a licence in force, for one purpose and recipient, until a day: a document of its
   * own, with a watermark that names all three, sealed and checked by itself.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {CopyBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CopyPreview | CopyMade>>}
   */
  copyLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/copies`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Annotated copies of a licence.
   *
   * The copies of an edition, the newest first, expired and withdrawn ones too.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<CopyPage>>}
   */
  findCopies(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/copies`, {
      query: { after: options.after },
    });
  }

  /**
   * What `findCopies` lists, page after page.
   *
   * @param {string} identifier
   * @returns {AsyncGenerator<CopyShown>}
   */
  async *findCopiesAll(identifier) {
    yield* this.#pages(await this.findCopies(identifier), "copies");
  }

  /**
   * An annotated copy.
   *
   * Link and look-up code are the recipient's and are not told again.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {string} copyId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<CopyShown>>}
   */
  readCopy(identifier, copyId, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/copies/${part(copyId)}`, {
      etag: options.ifNoneMatch,
    });
  }

  /**
   * An annotated copy's document.
   *
   * The registered bytes, whatever became of the copy since.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {string} copyId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readCopyDocument(identifier, copyId, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/copies/${part(copyId)}/document`, {
      accept: "application/pdf",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Withdraw an annotated copy.
   *
   * At once and for good: whoever checks the copy is told. The licence stays what it is.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {string} copyId
   * @param {WithdrawalBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CopyShown>>}
   */
  withdrawCopy(identifier, copyId, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/copies/${part(copyId)}/withdrawal`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Correct a licence 纠错.
   *
   * 纠错: the next edition says what this one should have said.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {ChangedFieldsBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicencePreview | LicenceIssued>>}
   */
  correctLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/correction`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A licence's document.
   *
   * The registered bytes; the newest form where archival time-stamps were appended. The holder
   * sees that the document was downloaded.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readDocument(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/document`, {
      accept: "application/pdf",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * End a licence 吊销 撤销 撤回 注销.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {EndingBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceStatusShown | Scheduled>>}
   */
  endLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/ending`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A licence's history.
   *
   * Every event of every edition of the licence, as recorded: nothing is ever taken out.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<LicenceHistory>>}
   */
  readHistory(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/history`, { etag: options.ifNoneMatch });
  }

  /**
   * Record an annual inspection 年检.
   *
   * An annual inspection 年检 is put on record; the status stays what it is.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {InspectionBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceStatusShown>>}
   */
  inspectLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/inspection`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Give the holder a link to their document.
   *
   * It gives the document to whoever uses it first, and to nobody after, for as long as the
   * licence is in force and `hours` have not passed. To whom it was sent is erased once it is
   * handed over. Where the agency hands it over by itself the link is told in this answer, and
   * for an hour again to the very same request.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {PickUpBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<PickUpMade>>}
   */
  makePickUp(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/pick-ups`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The links of a licence.
   *
   * Of this edition, the newest first, in pages of 100. Those that were over for 90 days are on
   * record no more.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<PickUpPage>>}
   */
  listPickUps(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/pick-ups`, {
      query: { after: options.after },
    });
  }

  /**
   * What `listPickUps` lists, page after page.
   *
   * @param {string} identifier
   * @returns {AsyncGenerator<PickUpShown>}
   */
  async *listPickUpsAll(identifier) {
    yield* this.#pages(await this.listPickUps(identifier), "pick_ups");
  }

  /**
   * A link of a licence.
   *
   * Whether it was used, and what became of the message that carries it.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} identifier
   * @param {string} pickUpId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<PickUpShown>>}
   */
  readPickUp(identifier, pickUpId, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/pick-ups/${part(pickUpId)}`, {
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Withdraw a link.
   *
   * From now on it gives nothing. The same again changes nothing, nor does it of one that was
   * used.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {string} pickUpId
   * @param {WithdrawalBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<PickUpShown>>}
   */
  withdrawPickUp(identifier, pickUpId, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/pick-ups/${part(pickUpId)}/withdrawal`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Show a licence on its holder's screen 亮证.
   *
   * A code for 60 to 120 seconds, which is checked online alone: a picture of it is worth
   * nothing once it is over. A licence has one at a time; a new one ends the one before.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {PresentationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<PresentationMade>>}
   */
  presentLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/presentations`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Renew a licence 延续.
   *
   * 延续: the next edition is valid for longer.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {ChangedFieldsBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicencePreview | LicenceIssued>>}
   */
  renewLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/renewal`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Replace a licence that was lost 补发.
   *
   * 补发: the next edition says the same, for one that was lost.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {NextEditionBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicencePreview | LicenceIssued>>}
   */
  replaceLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/replacement`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Put a suspended licence in force again.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {ChangeBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceStatusShown | Scheduled>>}
   */
  resumeLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/resumption`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Take back a change that waits for its day.
   *
   * A change that waits for its day is taken back.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {string} scheduled
   * @param {ChangeBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<WithdrawnChange>>}
   */
  withdrawScheduled(identifier, scheduled, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/scheduled/${part(scheduled)}/withdrawal`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * What a licence's status was.
   *
   * The status as of a past moment (`at`, RFC 3339), by the clock that is named: `effective` or
   * `recorded`.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {{at: string, clock: "effective" | "recorded"}} options
   * @returns {Promise<Answer<PastStatus>>}
   */
  readPastStatus(identifier, options = {}) {
    return this.#ask("GET", `/api/v1/licences/${part(identifier)}/status`, {
      query: { at: options.at, clock: options.clock },
    });
  }

  /**
   * Suspend a licence 暂扣 暂停.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {SuspensionBody} request
   * @param {{dryRun?: boolean, idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceStatusShown | Scheduled>>}
   */
  suspendLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/suspension`, {
      query: { dry_run: options.dryRun },
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Use a licence in place of its paper.
   *
   * For a matter of the agency's, whichever agency issued it, by the look-up code that its
   * holder has shown; its holder sees who used it, for what and why. Without the code nothing is
   * told of it, and attempts are limited: an unknown licence, a wrong code and one attempt too
   * many are answered alike.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} identifier
   * @param {UseBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceUsed>>}
   */
  useLicence(identifier, request, options = {}) {
    return this.#ask("POST", `/api/v1/licences/${part(identifier)}/uses`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The agency's matters.
   *
   * As they are handled today, by their codes, in pages of 100.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<MatterPage>>}
   */
  listMatters(options = {}) {
    return this.#ask("GET", "/api/v1/matters", { query: { after: options.after } });
  }

  /**
   * What `listMatters` lists, page after page.
   *
   * @returns {AsyncGenerator<MatterListed>}
   */
  async *listMattersAll() {
    yield* this.#pages(await this.listMatters(), "matters");
  }

  /**
   * The service guide of a matter.
   *
   * Of the agency's: conditions, materials, limits, fees, steps, result, form, and where to
   * complain.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} matterCode
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<MatterShown>>}
   */
  readMatter(matterCode, options = {}) {
    return this.#ask("GET", `/api/v1/matters/${part(matterCode)}`, { etag: options.ifNoneMatch });
  }

  /**
   * What is looked for before it is asked for.
   *
   * The required materials of a matter that an applicant need not supply unless they are not
   * found: which licence replaces each, and which data sets stand in for it, for what purpose.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} matterCode
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<MatterSources>>}
   */
  listMatterSources(matterCode, options = {}) {
    return this.#ask("GET", `/api/v1/matters/${part(matterCode)}/sources`, { etag: options.ifNoneMatch });
  }

  /**
   * Figures by agency and period.
   *
   * Sums alone, of every agency, in pages of 100 by their codes. What was recorded in the last
   * seconds may not be counted yet, and checks are counted some minutes later.
   *
   * A person who acts has the role `supervisor`.
   *
   * @param {{from: string, to: string, after?: string}} options
   * @returns {Promise<Answer<FigurePage>>}
   */
  readFigures(options = {}) {
    return this.#ask("GET", "/api/v1/oversight", {
      query: { from: options.from, to: options.to, after: options.after },
    });
  }

  /**
   * What `readFigures` lists, page after page.
   *
   * @param {{from: string, to: string}} options
   * @returns {AsyncGenerator<AgencyFigures>}
   */
  async *readFiguresAll(options = {}) {
    yield* this.#pages(await this.readFigures(options), "agencies");
  }

  /**
   * Apply for a seal 申请.
   *
   * A person who acts has the role `applicant`.
   *
   * @param {ApplicationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  applyForSeal(request, options = {}) {
    return this.#ask("POST", "/api/v1/seal-applications", {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * An application for a seal edition.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} approvalId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  readApplication(approvalId, options = {}) {
    return this.#ask("GET", `/api/v1/seal-applications/${part(approvalId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Approve an application, or refuse it 审批.
   *
   * A person who acts has the role `approver`. Approvers and makers are people of a seal
   * authority.
   *
   * @param {string} approvalId
   * @param {DecisionBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApplicationDecided>>}
   */
  decideApplication(approvalId, request, options = {}) {
    return this.#ask("POST", `/api/v1/seal-applications/${part(approvalId)}/approval`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The picture that is applied for.
   *
   * The very picture that is to be approved and made: a one-page PDF, whose digest the payload
   * names.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} approvalId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readPicture(approvalId, options = {}) {
    return this.#ask("GET", `/api/v1/seal-applications/${part(approvalId)}/picture`, {
      accept: "application/pdf",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Seals.
   *
   * The seals of the actor's agency, every agency's for a seal authority; paged by code.
   *
   * @param {{after?: string, state?: "approved" | "made" | "filed" | "active" | "suspended" | "cancelled", agency?: string}} [options]
   * @returns {Promise<Answer<SealPage>>}
   */
  listSeals(options = {}) {
    return this.#ask("GET", "/api/v1/seals", {
      query: { after: options.after, state: options.state, agency: options.agency },
    });
  }

  /**
   * What `listSeals` lists, page after page.
   *
   * @param {{state?: "approved" | "made" | "filed" | "active" | "suspended" | "cancelled", agency?: string}} [options]
   * @returns {AsyncGenerator<SealShown>}
   */
  async *listSealsAll(options = {}) {
    yield* this.#pages(await this.listSeals(options), "seals");
  }

  /**
   * A seal, its history, editions and authorisations.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} code
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<WholeSeal>>}
   */
  readSeal(code, options = {}) {
    return this.#ask("GET", `/api/v1/seals/${part(code)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Put a seal into use 启用.
   *
   * A person who acts has the role `keeper`.
   *
   * @param {string} code
   * @param {StepBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealChanged>>}
   */
  activateSeal(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/activation`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Permit a client to use a seal for a type.
   *
   * A person who acts has the role `keeper`.
   *
   * @param {string} code
   * @param {AuthorisationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<AuthorisationShown>>}
   */
  authoriseUse(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/authorisations`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * End an authorisation.
   *
   * As `withdrawAuthorisation`.
   *
   * A person who acts has the role `keeper`.
   *
   * @param {string} code
   * @param {string} authorisationId
   * @returns {Promise<Answer<AuthorisationShown>>}
   */
  deleteAuthorisation(code, authorisationId) {
    return this.#ask("DELETE", `/api/v1/seals/${part(code)}/authorisations/${part(authorisationId)}`);
  }

  /**
   * End an authorisation.
   *
   * A person who acts has the role `keeper`.
   *
   * @param {string} code
   * @param {string} authorisationId
   * @param {StepBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<AuthorisationShown>>}
   */
  withdrawAuthorisation(code, authorisationId, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/authorisations/${part(authorisationId)}/withdrawal`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Ask for a seal to be cancelled 注销.
   *
   * A person who acts has the role `approver` or `keeper`. Approvers and makers are people of a
   * seal authority.
   *
   * @param {string} code
   * @param {CancellationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  requestCancellation(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/cancellation-request`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A certification request for an authority outside.
   *
   * The PKCS #10 request for the edition that is to be made, for an authority outside.
   *
   * A person who acts has the role `maker`. Approvers and makers are people of a seal authority.
   *
   * @param {string} code
   * @param {RequestBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<CertificationRequested>>}
   */
  requestCertificate(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/certification-request`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Apply for another name or picture of a seal 变更.
   *
   * A person who acts has the role `applicant`.
   *
   * @param {string} code
   * @param {ApplicationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  applyForChange(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/change-application`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Record that an edition is sealed away 封存.
   *
   * A person who acts has the role `maker`. Approvers and makers are people of a seal authority.
   *
   * @param {string} code
   * @param {string} number
   * @param {GroundBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealEditionShown>>}
   */
  sealAway(code, number, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/editions/${part(number)}/sealing-away`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * File a seal 备案.
   *
   * A person who acts has the role `maker`. Approvers and makers are people of a seal authority.
   *
   * @param {string} code
   * @param {StepBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealShown>>}
   */
  fileSeal(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/filing`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * What a seal has sealed.
   *
   * What the seal has sealed and what proves that it came before the seal's end; the first page
   * has the totals.
   *
   * A person who acts has the role `keeper`. Of a seal authority, anybody who acts as a person.
   *
   * @param {string} code
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<Impact>>}
   */
  readImpact(code, options = {}) {
    return this.#ask("GET", `/api/v1/seals/${part(code)}/impact`, { query: { after: options.after } });
  }

  /**
   * What `readImpact` lists, page after page.
   *
   * @param {string} code
   * @returns {AsyncGenerator<SealingShown>}
   */
  async *readImpactAll(code) {
    yield* this.#pages(await this.readImpact(code), "licences");
  }

  /**
   * Report a seal lost 挂失.
   *
   * A person who acts has the role `approver` or `keeper`. Approvers and makers are people of a
   * seal authority.
   *
   * @param {string} code
   * @param {LossBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealChanged>>}
   */
  reportLost(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/loss-report`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Make the seal edition that was approved 制作.
   *
   * A person who acts has the role `maker`. Approvers and makers are people of a seal authority.
   *
   * @param {string} code
   * @param {MakingBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealShown>>}
   */
  makeSeal(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/making`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Apply for a seal's next edition with the same picture.
   *
   * A person who acts has the role `applicant`.
   *
   * @param {string} code
   * @param {StepBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  applyForRenewal(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/renewal-application`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Ask for a suspended seal to be resumed.
   *
   * A person who acts has the role `approver` or `keeper`. Approvers and makers are people of a
   * seal authority.
   *
   * @param {string} code
   * @param {GroundBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<ApprovalShown>>}
   */
  requestResumption(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/resumption-request`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Suspend a seal at once 停用.
   *
   * A person who acts has the role `approver` or `keeper`. Approvers and makers are people of a
   * seal authority.
   *
   * @param {string} code
   * @param {GroundBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SealChanged>>}
   */
  suspendSeal(code, request, options = {}) {
    return this.#ask("POST", `/api/v1/seals/${part(code)}/suspension`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Each use of a seal.
   *
   * Each use of the seal, also those that came to nothing; `from` and `to` are days, both
   * included.
   *
   * A person who acts has the role `keeper`. Of a seal authority, anybody who acts as a person.
   *
   * @param {string} code
   * @param {{after?: string, from?: string, to?: string}} [options]
   * @returns {Promise<Answer<UsePage>>}
   */
  readSealUses(code, options = {}) {
    return this.#ask("GET", `/api/v1/seals/${part(code)}/uses`, {
      query: { after: options.after, from: options.from, to: options.to },
    });
  }

  /**
   * What `readSealUses` lists, page after page.
   *
   * @param {string} code
   * @param {{from?: string, to?: string}} [options]
   * @returns {AsyncGenerator<UseShown>}
   */
  async *readSealUsesAll(code, options = {}) {
    yield* this.#pages(await this.readSealUses(code, options), "uses");
  }

  /**
   * Errors that were confirmed in the agency's licences.
   *
   * Found by agencies that used a licence in place of a paper; the oldest first, in pages of
   * 100. Each is settled when its licence is corrected.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<LicenceErrorPage>>}
   */
  listSourceErrors(options = {}) {
    return this.#ask("GET", "/api/v1/source-errors", { query: { after: options.after } });
  }

  /**
   * What `listSourceErrors` lists, page after page.
   *
   * @returns {AsyncGenerator<LicenceErrorShown>}
   */
  async *listSourceErrorsAll() {
    yield* this.#pages(await this.listSourceErrors(), "errors");
  }

  /**
   * Find a licence right after all.
   *
   * Its issuer says why nothing of it is corrected.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} errorId
   * @param {DeclinationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<LicenceErrorShown>>}
   */
  declineSourceError(errorId, request, options = {}) {
    return this.#ask("POST", `/api/v1/source-errors/${part(errorId)}/declination`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The agency's sub-cases.
   *
   * The newest first, or by when they are due; in pages of 100.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {{after?: string, state?: "waiting" | "handling" | "given" | "missed" | "closed", due?: "today" | "overdue", side?: "part" | "lead"}} [options]
   * @returns {Promise<Answer<SubCasePage>>}
   */
  listSubCases(options = {}) {
    return this.#ask("GET", "/api/v1/sub-cases", {
      query: { after: options.after, state: options.state, due: options.due, side: options.side },
    });
  }

  /**
   * What `listSubCases` lists, page after page.
   *
   * @param {{state?: "waiting" | "handling" | "given" | "missed" | "closed", due?: "today" | "overdue", side?: "part" | "lead"}} [options]
   * @returns {AsyncGenerator<SubCaseListed>}
   */
  async *listSubCasesAll(options = {}) {
    yield* this.#pages(await this.listSubCases(options), "sub_cases");
  }

  /**
   * A sub-case.
   *
   * What the agency gives its opinion on, what it needs of the application, and every step.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} subCaseId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<SubCaseShown>>}
   */
  readSubCase(subCaseId, options = {}) {
    return this.#ask("GET", `/api/v1/sub-cases/${part(subCaseId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Take up a sub-case.
   *
   * By the agency that takes part. Whoever takes it up does not give the opinion.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} subCaseId
   * @param {BeginBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SubCaseShown>>}
   */
  beginSubCase(subCaseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/sub-cases/${part(subCaseId)}/handling`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A file that the agency needs.
   *
   * Of the materials that the matter's list says the agency needs, and of no other.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} subCaseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readSubCaseMaterial(subCaseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/sub-cases/${part(subCaseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "application/pdf",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * A file that the agency needs.
   *
   * Of the materials that the matter's list says the agency needs, and of no other.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} subCaseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readSubCaseMaterialJpeg(subCaseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/sub-cases/${part(subCaseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "image/jpeg",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * A file that the agency needs.
   *
   * Of the materials that the matter's list says the agency needs, and of no other.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} subCaseId
   * @param {string} materialCode
   * @param {string} version
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<Uint8Array>>}
   */
  readSubCaseMaterialPng(subCaseId, materialCode, version, options = {}) {
    return this.#ask("GET", `/api/v1/sub-cases/${part(subCaseId)}/materials/${part(materialCode)}/${part(version)}`, {
      accept: "image/png",
      binary: true,
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Decide without an overdue opinion.
   *
   * By a person who decides at the agency that leads and has not handled the case; where the
   * matter's list names the law for it. It is put down as missed, which is no consent.
   *
   * A person who acts has the role `decider`.
   *
   * @param {string} subCaseId
   * @param {MissedBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SubCaseShown>>}
   */
  recordMissedOpinion(subCaseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/sub-cases/${part(subCaseId)}/missed`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Give an agency's opinion.
   *
   * By a person who decides at the agency that takes part, and has not handled the sub-case. The
   * applicant is told of it in the one answer of the agency that leads.
   *
   * A person who acts has the role `decider`.
   *
   * @param {string} subCaseId
   * @param {OpinionBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<SubCaseShown>>}
   */
  giveOpinion(subCaseId, request, options = {}) {
    return this.#ask("POST", `/api/v1/sub-cases/${part(subCaseId)}/opinion`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The agency's differences.
   *
   * Of all its cases, the oldest first; in pages of 100.
   *
   * A person who acts has the role `decider` or `officer`. A client may act by itself, and names
   * its `operator`.
   *
   * @param {{after?: string, state?: "open" | "corrected" | "confirmed" | "refused"}} [options]
   * @returns {Promise<Answer<TaskPage>>}
   */
  listTasks(options = {}) {
    return this.#ask("GET", "/api/v1/verification-tasks", {
      query: { after: options.after, state: options.state },
    });
  }

  /**
   * What `listTasks` lists, page after page.
   *
   * @param {{state?: "open" | "corrected" | "confirmed" | "refused"}} [options]
   * @returns {AsyncGenerator<TaskShown>}
   */
  async *listTasksAll(options = {}) {
    yield* this.#pages(await this.listTasks(options), "tasks");
  }

  /**
   * Clear a difference.
   *
   * Who is right is for a person to find out. A source that is wrong is told so until it has
   * acknowledged that; a licence of this registry waits for its issuer to correct it.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} taskId
   * @param {TaskEndingBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<TaskShown>>}
   */
  endTask(taskId, request, options = {}) {
    return this.#ask("POST", `/api/v1/verification-tasks/${part(taskId)}/ending`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Register an endpoint.
   *
   * From now on events of the client's agency are posted there, signed to Standard Webhooks. The
   * secret is told in this answer, and for an hour again to the very same request.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {EndpointBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<EndpointWithSecret>>}
   */
  createWebhook(request, options = {}) {
    return this.#ask("POST", "/api/v1/webhooks", {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * The client's endpoints.
   *
   * In pages of 100.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {{after?: string}} [options]
   * @returns {Promise<Answer<EndpointPage>>}
   */
  listWebhooks(options = {}) {
    return this.#ask("GET", "/api/v1/webhooks", { query: { after: options.after } });
  }

  /**
   * What `listWebhooks` lists, page after page.
   *
   * @returns {AsyncGenerator<EndpointShown>}
   */
  async *listWebhooksAll() {
    yield* this.#pages(await this.listWebhooks(), "endpoints");
  }

  /**
   * An endpoint.
   *
   * How it does, and which secrets sign.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} endpointId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<EndpointShown>>}
   */
  readWebhook(endpointId, options = {}) {
    return this.#ask("GET", `/api/v1/webhooks/${part(endpointId)}`, { etag: options.ifNoneMatch });
  }

  /**
   * Send again.
   *
   * Events from now on are told.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {ActBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<EndpointShown>>}
   */
  activateWebhook(endpointId, request, options = {}) {
    return this.#ask("POST", `/api/v1/webhooks/${part(endpointId)}/activation`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Send nothing more.
   *
   * What waits is given up, and can be sent again after an activation.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {ActBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<EndpointShown>>}
   */
  deactivateWebhook(endpointId, request, options = {}) {
    return this.#ask("POST", `/api/v1/webhooks/${part(endpointId)}/deactivation`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * What an endpoint was told.
   *
   * The newest events first, in pages of 100; `state` picks one. What was delivered is kept for
   * 30 days.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {{after?: string, state?: "waiting" | "delivered" | "dead"}} [options]
   * @returns {Promise<Answer<DeliveryPage>>}
   */
  listDeliveries(endpointId, options = {}) {
    return this.#ask("GET", `/api/v1/webhooks/${part(endpointId)}/deliveries`, {
      query: { after: options.after, state: options.state },
    });
  }

  /**
   * What `listDeliveries` lists, page after page.
   *
   * @param {string} endpointId
   * @param {{state?: "waiting" | "delivered" | "dead"}} [options]
   * @returns {AsyncGenerator<DeliveryShown>}
   */
  async *listDeliveriesAll(endpointId, options = {}) {
    yield* this.#pages(await this.listDeliveries(endpointId, options), "deliveries");
  }

  /**
   * One event for one endpoint.
   *
   * How often it was tried, and what came of it.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * Throws NotModified where `ifNoneMatch` is the `etag` that it still has.
   *
   * @param {string} endpointId
   * @param {string} eventId
   * @param {{ifNoneMatch?: string}} [options]
   * @returns {Promise<Answer<DeliveryShown>>}
   */
  readDelivery(endpointId, eventId, options = {}) {
    return this.#ask("GET", `/api/v1/webhooks/${part(endpointId)}/deliveries/${part(eventId)}`, {
      etag: options.ifNoneMatch,
    });
  }

  /**
   * Send an event again.
   *
   * Whatever became of it, under the same `webhook-id`.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {string} eventId
   * @param {ActBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<DeliveryShown>>}
   */
  redeliver(endpointId, eventId, request, options = {}) {
    return this.#ask("POST", `/api/v1/webhooks/${part(endpointId)}/deliveries/${part(eventId)}/redelivery`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Send again what was given up.
   *
   * All that was given up, of events recorded since then, under the same ids.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {RedeliveryBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<Redelivered>>}
   */
  redeliverDead(endpointId, request, options = {}) {
    return this.#ask("POST", `/api/v1/webhooks/${part(endpointId)}/redelivery`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * A new secret.
   *
   * It is told as at registration; those before it sign beside it for `overlap_hours`.
   *
   * A person who acts has the role `officer`. A client may act by itself, and names its
   * `operator`.
   *
   * @param {string} endpointId
   * @param {RotationBody} request
   * @param {{idempotencyKey?: string}} [options]
   * @returns {Promise<Answer<EndpointWithSecret>>}
   */
  rotateWebhookSecret(endpointId, request, options = {}) {
    return this.#ask("POST", `/api/v1/webhooks/${part(endpointId)}/secret-rotation`, {
      body: JSON.stringify(request),
      key: options.idempotencyKey ?? newKey(),
    });
  }

  /**
   * Whether the process answers.
   *
   * @returns {Promise<Answer<Alive>>}
   */
  isAlive() {
    return this.#ask("GET", "/livez", { openToAll: true });
  }

  /**
   * Whether the service can do its work.
   *
   * Ready when the database answers and the trust list is not overdue. What does not keep it
   * from serving is named: an overdue status list, and what only a ceremony renews, and should
   * by now.
   *
   * @returns {Promise<Answer<Ready>>}
   */
  isReady() {
    return this.#ask("GET", "/readyz", { openToAll: true });
  }
}
