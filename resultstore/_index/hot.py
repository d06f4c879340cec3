"""SQL text of the call path and of a fresh store. Written by scripts/compile-sql; do not edit.

A hit and a miss import no SQLAlchemy: they run these texts on a bare connection.
"""

VERSION = 3

FETCH = (
    "SELECT call.id, call.state, call.kind, call.integer, call.number, call.text, call.leaf_count, "
    "call.checksum, call.created_at FROM call WHERE call.\"key\" = :key"
)
DURATION = "SELECT call.duration FROM call WHERE call.id = :id"
ARGUMENTS = (
    "SELECT argument.name, argument.summary FROM argument WHERE argument.call_id = :call_id ORDER BY "
    "argument.position"
)
STANDING_IN = (
    "WITH RECURSIVE equal(id) AS (SELECT own.id AS id FROM function_version AS own JOIN function ON "
    "function.id = own.function_id WHERE function.name = :name AND (own.fingerprint = :fingerprint OR "
    "own.portable = :portable) UNION SELECT other.id AS id FROM equal JOIN function_version AS own ON "
    "own.id = equal.id JOIN function_version AS other ON other.portable = own.portable AND "
    "other.function_id = own.function_id UNION SELECT acceptance.accepted_id AS accepted_id FROM "
    "acceptance JOIN equal ON acceptance.version_id = equal.id) SELECT function.name, "
    "function_version.fingerprint FROM equal JOIN function_version ON function_version.id = equal.id JOIN "
    "function ON function.id = function_version.function_id ORDER BY function_version.id DESC"
)
STANDING_IN_WHOLE = (
    "WITH RECURSIVE equal(id) AS (SELECT own.id AS id FROM function_version AS own JOIN function ON "
    "function.id = own.function_id WHERE function.name = :name AND (own.fingerprint = :fingerprint OR "
    "own.portable = :portable) UNION SELECT other.id AS id FROM equal JOIN function_version AS own ON "
    "own.id = equal.id JOIN function_version AS other ON other.portable = own.portable AND "
    "other.function_id = own.function_id UNION SELECT acceptance.accepted_id AS accepted_id FROM "
    "acceptance JOIN equal ON acceptance.version_id = equal.id) SELECT function.name, "
    "function_version.fingerprint, function_version.id, function_version.portable FROM equal JOIN "
    "function_version ON function_version.id = equal.id JOIN function ON function.id = "
    "function_version.function_id ORDER BY function_version.id DESC"
)
ACCEPTED = "SELECT acceptance.accepted_id FROM acceptance WHERE acceptance.version_id = :version_id"
WHICH_VERSION = (
    "SELECT function.name, function_version.fingerprint, function_version.portable FROM function_version "
    "JOIN function ON function.id = function_version.function_id WHERE function_version.id = :id"
)
SIGNED = "SELECT meta.value FROM meta WHERE meta.name = :name"
SIGN = "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
WHY = "SELECT call.state, call.note FROM call WHERE call.\"key\" = :key"
LEAVES = (
    "SELECT result_leaf.position, result_leaf.path, result_leaf.writeable, payload.id, payload.digest, "
    "payload.checksum, payload.format, payload.nbytes, payload.raw_nbytes, payload.head_nbytes, "
    "payload.dtype, payload.shape, payload.memory_order, payload.codec, payload.file, payload.inline, "
    "payload.disk_nbytes FROM result_leaf JOIN payload ON payload.id = result_leaf.payload_id WHERE "
    "result_leaf.call_id = :call_id ORDER BY result_leaf.position"
)
EQUAL_PAYLOADS = (
    "SELECT payload.id, payload.checksum, payload.format, payload.nbytes, payload.file, "
    "payload.disk_nbytes, payload.codec FROM payload WHERE payload.digest = :digest AND payload.format = "
    ":format"
)
TOTAL = (
    "SELECT total.id, total.file_nbytes, total.inline_nbytes, total.payloads, total.access_sequence, "
    "total.evictions, total.file_calls, total.journal_lines, total.age, total.aged_by FROM total"
)
ADD_RUN = (
    "INSERT INTO run (started_at, process, host, username, program, python, platform, boot, packages) "
    "VALUES (:started_at, :process, :host, :username, :program, :python, :platform, :boot, :packages)"
)
FIND_RUN = "SELECT run.started_at, run.process FROM run WHERE run.id = :id"
FIND_FUNCTION = "SELECT function.id FROM function WHERE function.name = :name"
ADD_FUNCTION = "INSERT INTO function (name) VALUES (:name)"
FIND_VERSION = (
    "SELECT function_version.id FROM function_version WHERE function_version.function_id = :function_id "
    "AND function_version.fingerprint = :fingerprint AND function_version.code = :code"
)
ADD_VERSION = (
    "INSERT INTO function_version (function_id, number, fingerprint, code, scheme, label, portable, "
    "place, source_digest, signature, python, created_at) VALUES (:function_id, (SELECT "
    "coalesce(max(function_version.number), 0) + 1 AS anon_1 FROM function_version WHERE "
    "function_version.function_id = :function_id), :fingerprint, :code, :scheme, :label, :portable, "
    ":place, :source_digest, :signature, :python, :created_at)"
)
ADD_SOURCE = "INSERT INTO source (digest, text) VALUES (:digest, :text) ON CONFLICT DO NOTHING"
ADD_DEPENDENCY = (
    "INSERT INTO dependency (version_id, name, kind, digest, place, detail, source_digest) VALUES "
    "(:version_id, :name, :kind, :digest, :place, :detail, :source_digest)"
)
ACCEPT = (
    "INSERT INTO acceptance (version_id, accepted_id, reason, created_at) VALUES (:version_id, "
    ":accepted_id, :reason, :created_at) ON CONFLICT (version_id, accepted_id) DO UPDATE SET reason = "
    ":reason, created_at = :created_at"
)
FIND_CALL = "SELECT call.id, call.access_count, call.state, call.nbytes FROM call WHERE call.\"key\" = :key"
KEEP_COMPUTATION = (
    "INSERT INTO computation (call_id, run_id, created_at, duration, checksum, state, note) SELECT "
    "call.id, call.run_id, call.created_at, call.duration, call.checksum, call.state, call.note FROM call "
    "WHERE call.id = :id"
)
ADD_CALL = (
    "INSERT INTO call (\"key\", state, kind, integer, number, text, leaf_count, checksum, version_id, "
    "run_id, created_at, duration, nbytes, accessed_at, access_count, access_sequence, note, age) VALUES "
    "(:key, :state, :kind, :integer, :number, :text, :leaf_count, :checksum, :version_id, :run_id, "
    ":created_at, :duration, :nbytes, :accessed_at, :access_count, :access_sequence, :note, :age) ON "
    "CONFLICT (\"key\") DO NOTHING"
)
CHANGE_CALL = (
    "UPDATE call SET state=:state, kind=:kind, integer=:integer, number=:number, text=:text, "
    "leaf_count=:leaf_count, checksum=:checksum, version_id=:version_id, run_id=:run_id, "
    "created_at=:created_at, duration=:duration, nbytes=:nbytes, accessed_at=:accessed_at, "
    "access_count=:access_count, access_sequence=:access_sequence, note=:note, age=:age WHERE call.id = "
    ":id"
)
ADD_ARGUMENT = (
    "INSERT INTO argument (call_id, position, name, kind, number, text, token, summary) VALUES (:call_id, "
    ":position, :name, :kind, :number, :text, :token, :summary)"
)
ADD_PAYLOAD = (
    "INSERT INTO payload (digest, checksum, format, codec, nbytes, raw_nbytes, head_nbytes, dtype, shape, "
    "memory_order, file, disk_nbytes, inline) VALUES (:digest, :checksum, :format, :codec, :nbytes, "
    ":raw_nbytes, :head_nbytes, :dtype, :shape, :memory_order, :file, :disk_nbytes, :inline)"
)
ADD_LEAF = (
    "INSERT INTO result_leaf (call_id, position, payload_id, path, writeable) VALUES (:call_id, "
    ":position, :payload_id, :path, :writeable)"
)
ADD_NESTING = (
    "INSERT INTO nesting (parent_id, child_id) SELECT :parent_id AS anon_1, call.id FROM call WHERE "
    "call.\"key\" = :child_key ON CONFLICT DO NOTHING"
)
COUNT_MISSES = (
    "UPDATE function SET misses=(function.misses + :misses), stored=(function.stored + :stored), "
    "nbytes=(function.nbytes + :nbytes) WHERE function.id = :id"
)
CHANGE_TOTAL = (
    "UPDATE total SET file_nbytes=(total.file_nbytes + :file_nbytes), inline_nbytes=(total.inline_nbytes "
    "+ :inline_nbytes), payloads=(total.payloads + :payloads), access_sequence=(total.access_sequence + "
    ":access_sequence), evictions=(total.evictions + :evictions), file_calls=(total.file_calls + "
    ":file_calls), journal_lines=(total.journal_lines + :journal_lines)"
)
TOUCH = (
    "UPDATE call SET accessed_at=:accessed_at, access_count=(call.access_count + :count), "
    "access_sequence=CASE WHEN (call.access_sequence > :access_sequence) THEN call.access_sequence ELSE "
    ":access_sequence END, age=:age WHERE call.id = :id"
)
COUNT_HITS = (
    "UPDATE function SET hits=(function.hits + :count), seconds_saved=(function.seconds_saved + :count * "
    "(SELECT call.duration FROM call WHERE call.id = :id)) WHERE function.id = (SELECT "
    "function_version.function_id FROM function_version JOIN call ON call.version_id = "
    "function_version.id WHERE call.id = :id)"
)
VICTIMS = (
    "SELECT call.id, call.access_sequence, call.access_count, call.created_at, call.duration, "
    "call.nbytes, call.age FROM call WHERE call.state = 'stored' AND call.pinned IS 0 ORDER BY {order}, "
    "call.id LIMIT :count OFFSET :skip"
)
VICTIMS_WITH_PAYLOAD = (
    "SELECT call.id, call.access_sequence, call.access_count, call.created_at, call.duration, "
    "call.nbytes, call.age FROM call WHERE call.state = 'stored' AND call.pinned IS 0 AND call.leaf_count "
    "> 0 ORDER BY {order}, call.id LIMIT :count OFFSET 0"
)
VICTIMS_OF_VERSION = (
    "SELECT call.id, call.access_sequence, call.access_count, call.created_at, call.duration, "
    "call.nbytes, call.age FROM call WHERE call.state = 'stored' AND call.pinned IS 0 AND call.version_id "
    "= :version_id ORDER BY {order}, call.id LIMIT :count OFFSET 0"
)
UNTOUCHED = (
    "SELECT call.id, call.access_sequence, call.access_count, call.created_at, call.duration, "
    "call.nbytes, call.age FROM call WHERE call.state = 'stored' AND call.pinned IS 0 AND "
    "call.access_sequence > :after AND call.accessed_at < :before ORDER BY call.access_sequence LIMIT "
    ":count OFFSET 0"
)
DROPPED = (
    "SELECT call.id FROM call WHERE call.state != 'stored' AND call.pinned IS 0 ORDER BY "
    "call.access_sequence LIMIT :count OFFSET 0"
)
FEW_EQUAL = (
    "SELECT count(*) AS count_1 FROM (SELECT argument.call_id AS call_id FROM argument WHERE "
    "argument.name = :name AND argument.token = :token LIMIT :most OFFSET 0) AS anon_1"
)
FEW_BETWEEN = (
    "SELECT count(*) AS count_1 FROM (SELECT argument.call_id AS call_id FROM argument WHERE "
    "argument.name = :name AND argument.number >= :low AND argument.number <= :high LIMIT :most OFFSET 0) "
    "AS anon_1"
)
FEW_CALLS = (
    "SELECT count(*) AS count_1 FROM (SELECT call.id AS id FROM function JOIN function_version ON "
    "function_version.function_id = function.id JOIN call ON call.version_id = function_version.id WHERE "
    "function.name = :name LIMIT :most OFFSET 0) AS anon_1"
)
ANY_PINNED = "SELECT call.id FROM call WHERE call.pinned IS 1 LIMIT 1 OFFSET 0"
PIN = "UPDATE call SET pinned=:pinned WHERE call.\"key\" = :key"
STORED = (
    "SELECT coalesce(sum(function.stored), 0) AS coalesce_1, coalesce(sum(function.nbytes), 0) AS "
    "coalesce_3 FROM function"
)
FUNCTION_NBYTES = "SELECT function.nbytes FROM function WHERE function.name = :name"
FUNCTION_VERSIONS = (
    "SELECT function_version.id FROM function_version JOIN function ON function.id = "
    "function_version.function_id WHERE function.name = :name"
)
AGE = "UPDATE total SET age=max(total.age, :age)"
SET_AGE = "UPDATE total SET age=:age, aged_by=:aged_by"
REJUVENATE = "UPDATE call SET age=0 WHERE call.id > :after AND call.id <= :until AND call.age != 0"
CALLS = (
    "SELECT call.id FROM call WHERE call.id > :after AND call.id <= :until ORDER BY call.id LIMIT :count "
    "OFFSET 0"
)
CALLS_OF_VERSION = (
    "SELECT call.id FROM call WHERE call.id > :after AND call.id <= :until AND call.version_id = "
    ":version_id ORDER BY call.id LIMIT :count OFFSET 0"
)
LAST_CALL = "SELECT coalesce(max(call.id), 0) AS coalesce_1 FROM call"
CALL_PAYLOADS = (
    "SELECT DISTINCT payload.id, payload.file, payload.disk_nbytes, length(payload.inline) AS length_1 "
    "FROM payload JOIN result_leaf ON result_leaf.payload_id = payload.id WHERE result_leaf.call_id = "
    ":call_id"
)
DROP_LEAVES = "DELETE FROM result_leaf WHERE result_leaf.call_id = :call_id"
DROP_ARGUMENTS = "DELETE FROM argument WHERE argument.call_id = :call_id"
DROP_PAYLOAD = (
    "DELETE FROM payload WHERE payload.id = :id AND NOT (EXISTS (SELECT * FROM result_leaf WHERE "
    "result_leaf.payload_id = payload.id))"
)
COUNT_DROPPED = (
    "SELECT function_version.function_id, count(*) AS count_1, count(*) FILTER (WHERE call.state = "
    "'stored') AS anon_1, sum(call.nbytes) AS sum_1, sum(call.leaf_count) AS sum_2 FROM call JOIN "
    "function_version ON function_version.id = call.version_id WHERE call.id IN (SELECT anon_2.value FROM "
    "json_each(:ids) AS anon_2) GROUP BY function_version.function_id"
)
CALLS_WITH_FILES = (
    "SELECT count(DISTINCT result_leaf.call_id) AS count_1 FROM result_leaf JOIN payload ON payload.id = "
    "result_leaf.payload_id WHERE result_leaf.call_id IN (SELECT anon_1.value FROM json_each(:ids) AS "
    "anon_1) AND payload.file IS NOT NULL"
)
PAYLOADS_OF_CALLS = (
    "SELECT DISTINCT result_leaf.payload_id FROM result_leaf WHERE result_leaf.call_id IN (SELECT "
    "anon_1.value FROM json_each(:ids) AS anon_1)"
)
KEYS_OF_CALLS = "SELECT call.\"key\" FROM call WHERE call.id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1)"
DROP_LEAVES_OF_CALLS = (
    "DELETE FROM result_leaf WHERE result_leaf.call_id IN (SELECT anon_1.value FROM json_each(:ids) AS "
    "anon_1)"
)
UNUSED_AMONG = (
    "SELECT payload.id, payload.file, payload.disk_nbytes, length(payload.inline) AS length_1 FROM "
    "payload WHERE payload.id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1) AND NOT (EXISTS "
    "(SELECT * FROM result_leaf WHERE result_leaf.payload_id = payload.id))"
)
FILES_OF_CALLS = (
    "SELECT payload.file FROM payload WHERE payload.file IS NOT NULL AND payload.id IN (SELECT "
    "result_leaf.payload_id FROM result_leaf WHERE result_leaf.call_id IN (SELECT anon_1.value FROM "
    "json_each(:ids) AS anon_1)) AND NOT (EXISTS (SELECT * FROM result_leaf WHERE result_leaf.payload_id "
    "= payload.id AND (result_leaf.call_id NOT IN (SELECT anon_2.value FROM json_each(:ids) AS anon_2))))"
)
FREED_BY = (
    "SELECT coalesce(sum(payload.disk_nbytes + coalesce(length(payload.inline), 0)), 0) AS coalesce_1 "
    "FROM payload WHERE payload.id IN (SELECT result_leaf.payload_id FROM result_leaf WHERE "
    "result_leaf.call_id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1)) AND NOT (EXISTS (SELECT "
    "* FROM result_leaf WHERE result_leaf.payload_id = payload.id AND (result_leaf.call_id NOT IN (SELECT "
    "anon_2.value FROM json_each(:ids) AS anon_2))))"
)
DROP_PAYLOADS = "DELETE FROM payload WHERE payload.id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1)"
DROP_ARGUMENTS_OF_CALLS = "DELETE FROM argument WHERE argument.call_id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1)"
FORGET_CALLS = "DELETE FROM call WHERE call.id IN (SELECT anon_1.value FROM json_each(:ids) AS anon_1)"
EVICT_CALLS = (
    "UPDATE call SET state='evicted', kind=NULL, integer=NULL, number=NULL, text=NULL, leaf_count=0, "
    "checksum=NULL, nbytes=0, note=:note WHERE call.id IN (SELECT anon_1.value FROM json_each(:ids) AS "
    "anon_1)"
)
CHANGE_FUNCTION = (
    "UPDATE function SET evictions=(function.evictions + :evictions), stored=(function.stored - :stored), "
    "nbytes=(function.nbytes - :nbytes) WHERE function.id = :id"
)
SET_JOURNAL_LINES = "UPDATE total SET journal_lines=:journal_lines"
FILE_KEYS = (
    "SELECT call.\"key\" FROM call WHERE EXISTS (SELECT * FROM result_leaf, payload WHERE "
    "result_leaf.call_id = call.id AND payload.id = result_leaf.payload_id AND payload.file IS NOT NULL)"
)
PAYLOADS = (
    "SELECT payload.id, payload.digest, payload.checksum, payload.format, payload.nbytes, "
    "payload.raw_nbytes, payload.head_nbytes, payload.dtype, payload.shape, payload.memory_order, "
    "payload.codec, payload.file, payload.inline, payload.disk_nbytes FROM payload WHERE payload.id > "
    ":after ORDER BY payload.id LIMIT 200 OFFSET 0"
)
PAYLOAD_CALLS = "SELECT result_leaf.call_id FROM result_leaf WHERE result_leaf.payload_id = :payload_id"
UNUSED_PAYLOADS = (
    "SELECT payload.id FROM payload WHERE NOT (EXISTS (SELECT * FROM result_leaf WHERE "
    "result_leaf.payload_id = payload.id))"
)
COUNT_PAYLOADS = (
    "SELECT coalesce(sum(payload.disk_nbytes), 0) AS coalesce_1, coalesce(sum(length(payload.inline)), 0) "
    "AS coalesce_3, count(*) AS count_1 FROM payload"
)
COUNT_STORED = (
    "SELECT function.id, function.name, count(call.id) AS count_1, coalesce(sum(call.nbytes), 0) AS "
    "coalesce_1, function.stored, function.nbytes FROM function LEFT OUTER JOIN function_version ON "
    "function_version.function_id = function.id LEFT OUTER JOIN call ON call.version_id = "
    "function_version.id AND call.state = 'stored' GROUP BY function.id"
)
FILE_PAYLOAD = "SELECT payload.id FROM payload WHERE payload.file = :file"
DROP_UNUSED_VERSIONS = (
    "DELETE FROM function_version WHERE NOT (EXISTS (SELECT * FROM call WHERE call.version_id = "
    "function_version.id)) AND NOT (EXISTS (SELECT * FROM acceptance WHERE acceptance.version_id = "
    "function_version.id))"
)
DROP_UNUSED_SOURCES = (
    "DELETE FROM source WHERE NOT (EXISTS (SELECT * FROM function_version WHERE "
    "function_version.source_digest = source.digest)) AND NOT (EXISTS (SELECT * FROM dependency WHERE "
    "dependency.source_digest = source.digest))"
)
SET_TOTAL = (
    "UPDATE total SET file_nbytes=:file_nbytes, inline_nbytes=:inline_nbytes, payloads=:payloads, "
    "access_sequence=:access_sequence, evictions=:evictions, file_calls=:file_calls, "
    "journal_lines=:journal_lines, age=:age, aged_by=:aged_by"
)

CREATE = (
    (
        "CREATE TABLE function (id INTEGER NOT NULL, name TEXT NOT NULL, hits INTEGER DEFAULT '0' NOT NULL, "
        "misses INTEGER DEFAULT '0' NOT NULL, evictions INTEGER DEFAULT '0' NOT NULL, seconds_saved FLOAT "
        "DEFAULT '0' NOT NULL, stored INTEGER DEFAULT '0' NOT NULL, nbytes BIGINT DEFAULT '0' NOT NULL, "
        "CONSTRAINT pk_function PRIMARY KEY (id), CONSTRAINT uq_function_name UNIQUE (name))"
    ),
    (
        "CREATE TABLE lease (\"key\" BLOB NOT NULL, owner TEXT NOT NULL, expires_at FLOAT NOT NULL, CONSTRAINT "
        "pk_lease PRIMARY KEY (\"key\"))"
    ),
    "CREATE TABLE meta (name TEXT NOT NULL, value TEXT NOT NULL, CONSTRAINT pk_meta PRIMARY KEY (name))",
    (
        "CREATE TABLE payload (id INTEGER NOT NULL, digest BLOB NOT NULL, checksum BLOB NOT NULL, format TEXT "
        "NOT NULL, codec TEXT, nbytes BIGINT NOT NULL, raw_nbytes BIGINT NOT NULL, head_nbytes INTEGER NOT "
        "NULL, dtype TEXT, shape TEXT, memory_order TEXT, file TEXT, disk_nbytes BIGINT DEFAULT '0' NOT NULL, "
        "inline BLOB, CONSTRAINT pk_payload PRIMARY KEY (id))"
    ),
    "CREATE INDEX ix_payload_digest ON payload (digest)",
    "CREATE INDEX ix_payload_file ON payload (file)",
    (
        "CREATE TABLE run (id INTEGER NOT NULL, started_at FLOAT NOT NULL, process INTEGER NOT NULL, host "
        "TEXT NOT NULL, username TEXT NOT NULL, program TEXT NOT NULL, python TEXT NOT NULL, platform TEXT "
        "NOT NULL, boot TEXT NOT NULL, packages TEXT NOT NULL, CONSTRAINT pk_run PRIMARY KEY (id))"
    ),
    (
        "CREATE TABLE source (digest BLOB NOT NULL, text TEXT NOT NULL, CONSTRAINT pk_source PRIMARY KEY "
        "(digest)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE total (id INTEGER NOT NULL, file_nbytes BIGINT NOT NULL, inline_nbytes BIGINT NOT NULL, "
        "payloads BIGINT NOT NULL, access_sequence BIGINT NOT NULL, evictions BIGINT NOT NULL, file_calls "
        "BIGINT NOT NULL, journal_lines BIGINT NOT NULL, age FLOAT DEFAULT '0' NOT NULL, aged_by TEXT, "
        "CONSTRAINT pk_total PRIMARY KEY (id))"
    ),
    (
        "CREATE TABLE function_version (id INTEGER NOT NULL, function_id INTEGER NOT NULL, number INTEGER NOT "
        "NULL, fingerprint BLOB NOT NULL, code BLOB NOT NULL, scheme INTEGER NOT NULL, label TEXT, portable "
        "BLOB, place TEXT NOT NULL, source_digest BLOB, signature TEXT, python TEXT NOT NULL, created_at "
        "FLOAT NOT NULL, CONSTRAINT pk_function_version PRIMARY KEY (id), CONSTRAINT "
        "uq_function_version_function_id_fingerprint_code UNIQUE (function_id, fingerprint, code), CONSTRAINT "
        "fk_function_version_function_id_function FOREIGN KEY(function_id) REFERENCES function (id) ON DELETE "
        "CASCADE, CONSTRAINT fk_function_version_source_digest_source FOREIGN KEY(source_digest) REFERENCES "
        "source (digest))"
    ),
    "CREATE INDEX ix_function_version_portable ON function_version (portable)",
    "CREATE INDEX ix_function_version_source_digest ON function_version (source_digest)",
    (
        "CREATE TABLE acceptance (version_id INTEGER NOT NULL, accepted_id INTEGER NOT NULL, reason TEXT NOT "
        "NULL, created_at FLOAT NOT NULL, CONSTRAINT pk_acceptance PRIMARY KEY (version_id, accepted_id), "
        "CONSTRAINT fk_acceptance_version_id_function_version FOREIGN KEY(version_id) REFERENCES "
        "function_version (id) ON DELETE CASCADE, CONSTRAINT fk_acceptance_accepted_id_function_version "
        "FOREIGN KEY(accepted_id) REFERENCES function_version (id) ON DELETE CASCADE) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_acceptance_accepted_id ON acceptance (accepted_id)",
    (
        "CREATE TABLE call (id INTEGER NOT NULL, \"key\" BLOB NOT NULL, state TEXT NOT NULL, kind TEXT, integer "
        "BIGINT, number FLOAT, text TEXT, leaf_count INTEGER DEFAULT '0' NOT NULL, checksum BLOB, version_id "
        "INTEGER NOT NULL, run_id INTEGER, created_at FLOAT NOT NULL, duration FLOAT NOT NULL, nbytes BIGINT "
        "DEFAULT '0' NOT NULL, accessed_at FLOAT NOT NULL, access_count INTEGER DEFAULT '0' NOT NULL, "
        "access_sequence BIGINT NOT NULL, pinned BOOLEAN DEFAULT 0 NOT NULL, note TEXT, age FLOAT DEFAULT '0' "
        "NOT NULL, CONSTRAINT pk_call PRIMARY KEY (id), CONSTRAINT ck_call_state CHECK (state IN ('stored', "
        "'evicted', 'not stored')), CONSTRAINT uq_call_key UNIQUE (\"key\"), CONSTRAINT "
        "fk_call_version_id_function_version FOREIGN KEY(version_id) REFERENCES function_version (id) ON "
        "DELETE CASCADE, CONSTRAINT fk_call_run_id_run FOREIGN KEY(run_id) REFERENCES run (id) ON DELETE SET "
        "NULL)"
    ),
    "CREATE INDEX ix_call_created_at ON call (created_at)",
    "CREATE INDEX ix_call_dropped ON call (access_sequence) WHERE state != 'stored' AND pinned IS 0",
    "CREATE INDEX ix_call_pinned ON call (access_sequence) WHERE pinned IS 1",
    "CREATE INDEX ix_call_run_id ON call (run_id)",
    "CREATE INDEX ix_call_stored ON call (access_sequence) WHERE state = 'stored' AND pinned IS 0",
    "CREATE INDEX ix_call_version_id ON call (version_id)",
    (
        "CREATE INDEX ix_call_with_payload ON call (access_sequence) WHERE state = 'stored' AND pinned IS 0 "
        "AND leaf_count > 0"
    ),
    (
        "CREATE TABLE dependency (id INTEGER NOT NULL, version_id INTEGER NOT NULL, name TEXT NOT NULL, kind "
        "TEXT NOT NULL, digest BLOB NOT NULL, place TEXT, detail TEXT, source_digest BLOB, CONSTRAINT "
        "pk_dependency PRIMARY KEY (id), CONSTRAINT fk_dependency_version_id_function_version FOREIGN "
        "KEY(version_id) REFERENCES function_version (id) ON DELETE CASCADE, CONSTRAINT "
        "fk_dependency_source_digest_source FOREIGN KEY(source_digest) REFERENCES source (digest))"
    ),
    "CREATE INDEX ix_dependency_source_digest ON dependency (source_digest)",
    "CREATE INDEX ix_dependency_version_id ON dependency (version_id)",
    (
        "CREATE TABLE argument (call_id INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, kind "
        "TEXT NOT NULL, number FLOAT, text TEXT, token BLOB, summary TEXT NOT NULL, CONSTRAINT pk_argument "
        "PRIMARY KEY (call_id, position), CONSTRAINT fk_argument_call_id_call FOREIGN KEY(call_id) REFERENCES "
        "call (id) ON DELETE CASCADE) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_argument_name_number ON argument (name, number) WHERE number IS NOT NULL",
    "CREATE INDEX ix_argument_name_token ON argument (name, token)",
    (
        "CREATE TABLE computation (id INTEGER NOT NULL, call_id INTEGER NOT NULL, run_id INTEGER, created_at "
        "FLOAT NOT NULL, duration FLOAT NOT NULL, checksum BLOB, state TEXT NOT NULL, note TEXT, CONSTRAINT "
        "pk_computation PRIMARY KEY (id), CONSTRAINT fk_computation_call_id_call FOREIGN KEY(call_id) "
        "REFERENCES call (id) ON DELETE CASCADE, CONSTRAINT fk_computation_run_id_run FOREIGN KEY(run_id) "
        "REFERENCES run (id) ON DELETE SET NULL)"
    ),
    "CREATE INDEX ix_computation_call_id ON computation (call_id)",
    "CREATE INDEX ix_computation_run_id ON computation (run_id)",
    (
        "CREATE TABLE nesting (parent_id INTEGER NOT NULL, child_id INTEGER NOT NULL, CONSTRAINT pk_nesting "
        "PRIMARY KEY (parent_id, child_id), CONSTRAINT fk_nesting_parent_id_call FOREIGN KEY(parent_id) "
        "REFERENCES call (id) ON DELETE CASCADE, CONSTRAINT fk_nesting_child_id_call FOREIGN KEY(child_id) "
        "REFERENCES call (id) ON DELETE CASCADE) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_nesting_child_id ON nesting (child_id)",
    (
        "CREATE TABLE result_leaf (call_id INTEGER NOT NULL, position INTEGER NOT NULL, payload_id INTEGER "
        "NOT NULL, path TEXT NOT NULL, writeable BOOLEAN NOT NULL, CONSTRAINT pk_result_leaf PRIMARY KEY "
        "(call_id, position), CONSTRAINT fk_result_leaf_call_id_call FOREIGN KEY(call_id) REFERENCES call "
        "(id) ON DELETE CASCADE, CONSTRAINT fk_result_leaf_payload_id_payload FOREIGN KEY(payload_id) "
        "REFERENCES payload (id)) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_result_leaf_payload_id ON result_leaf (payload_id)",
    (
        "CREATE TABLE tag (call_id INTEGER NOT NULL, name TEXT NOT NULL, CONSTRAINT pk_tag PRIMARY KEY "
        "(call_id, name), CONSTRAINT fk_tag_call_id_call FOREIGN KEY(call_id) REFERENCES call (id) ON DELETE "
        "CASCADE) WITHOUT ROWID"
    ),
    "CREATE INDEX ix_tag_name ON tag (name)",
    (
        "CREATE VIEW calls AS SELECT call.id AS id, function.name AS function, "
        "coalesce(function_version.label, function_version.number) AS version, (SELECT group_concat(name || "
        "'=' || summary, ', ') FROM (SELECT name, summary FROM argument WHERE argument.call_id = call.id "
        "ORDER BY position)) AS arguments, call.state AS state, strftime('%Y-%m-%dT%H:%M:%fZ', "
        "call.created_at, 'unixepoch') AS created_at, strftime('%Y-%m-%dT%H:%M:%fZ', call.accessed_at, "
        "'unixepoch') AS accessed_at, call.access_count AS access_count, call.duration AS duration, "
        "call.nbytes AS nbytes, lower(hex(call.key)) AS key, lower(hex(function_version.fingerprint)) AS "
        "fingerprint FROM call JOIN function_version ON function_version.id = call.version_id JOIN function "
        "ON function.id = function_version.function_id"
    ),
    (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc "
        "PRIMARY KEY (version_num))"
    ),
    "INSERT INTO alembic_version (version_num) VALUES ('0003')",
    "INSERT INTO total VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, NULL)",
)
