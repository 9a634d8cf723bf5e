"""The tables, as migrations: each is applied once, in order, in a transaction of its own, and never edited after.

Epoch integers, JSON text for lists that are read whole, constraints for all that must be unique. Names of users are
foreign keys with `ON UPDATE CASCADE`, so that a list sorts and filters by owner without a join.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

APPLICATION_ID = 0x57475445
"""`WGTE` in SQLite's header: what tells a Wardgate state from any other database."""

migrations = Migrations("wardgate")


def _listed(column: str) -> str:
    """A JSON list of texts as words, for people to look for."""
    words = f"replace({column}, '[]', '')"
    for mark, word in (('["', ""), ('"]', ""), ('","', " ")):
        words = f"replace({words}, '{mark}', '{word}')"
    return words


@migrations()
def people(db: Database) -> None:
    db.executescript(f"""
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        local TEXT NOT NULL GENERATED ALWAYS AS (substr(name, 1, instr(name, '@') - 1)) VIRTUAL,
        email TEXT,
        role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'auditor', 'member')),
        state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
        service INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        groups TEXT NOT NULL DEFAULT '[]',
        password TEXT,
        visible TEXT NOT NULL GENERATED ALWAYS AS
            (name || ' ' || coalesce(email, '') || ' ' || role || ' ' || {_listed("groups")}) STORED
    ) STRICT;
    CREATE INDEX users_local ON users (local);
    CREATE INDEX users_role ON users (role, state);
    CREATE TABLE user_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        key BLOB NOT NULL,
        fingerprint TEXT NOT NULL,
        comment TEXT NOT NULL,
        added_at INTEGER NOT NULL,
        expires_at INTEGER,
        UNIQUE (user, fingerprint)
    ) STRICT;
    CREATE INDEX user_keys_fingerprint ON user_keys (fingerprint);
    CREATE TABLE preferences (
        user TEXT PRIMARY KEY REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """)
    _text_index(db, "users", "name, email, role, groups")


@migrations()
def machines(db: Database) -> None:
    db.executescript(f"""
    CREATE TABLE devices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        user TEXT REFERENCES users (name) ON UPDATE CASCADE,
        tags TEXT NOT NULL,
        ipv4 TEXT NOT NULL UNIQUE,
        ipv6 TEXT NOT NULL UNIQUE,
        address INTEGER NOT NULL,
        wireguard_key TEXT NOT NULL UNIQUE,
        ssh_key BLOB UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'expired', 'disabled')),
        created_at INTEGER NOT NULL,
        approved_at INTEGER,
        expires_at INTEGER,
        ephemeral INTEGER NOT NULL,
        endpoints TEXT NOT NULL,
        os TEXT NOT NULL,
        agent_version TEXT NOT NULL,
        attributes TEXT NOT NULL,
        last_seen INTEGER,
        visible TEXT NOT NULL GENERATED ALWAYS AS
            (name || ' ' || coalesce(user, '') || ' ' || {_listed("tags")}
             || ' ' || ipv4 || ' ' || ipv6 || ' ' || os) STORED,
        CHECK ((user IS NULL) = (tags <> '[]'))
    ) STRICT;
    CREATE INDEX devices_user ON devices (user);
    CREATE INDEX devices_tags ON devices (tags);
    CREATE INDEX devices_address ON devices (address);
    CREATE INDEX devices_state ON devices (state);
    CREATE INDEX devices_created_at ON devices (created_at);
    CREATE INDEX devices_expires_at ON devices (expires_at);
    CREATE INDEX devices_os ON devices (os);
    CREATE INDEX devices_agent_version ON devices (agent_version);
    CREATE INDEX devices_last_seen ON devices (last_seen);
    CREATE TABLE device_tags (
        tag TEXT NOT NULL,
        device INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
        PRIMARY KEY (tag, device)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX device_tags_device ON device_tags (device);
    CREATE TABLE routes (
        device INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
        prefix TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('advertised', 'approved', 'withdrawn')),
        PRIMARY KEY (device, prefix)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE address_space (ipv4 TEXT NOT NULL, ipv6 TEXT NOT NULL) STRICT;
    CREATE TABLE free_addresses (
        first INTEGER PRIMARY KEY,
        last INTEGER NOT NULL UNIQUE,
        CHECK (first <= last)
    ) STRICT;
    CREATE TABLE released_addresses (
        number INTEGER PRIMARY KEY,
        released_at INTEGER NOT NULL,
        held_until INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX released_addresses_held_until ON released_addresses (held_until);
    CREATE TABLE enrollment_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash TEXT NOT NULL UNIQUE,
        user TEXT REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        tags TEXT NOT NULL,
        uses_left INTEGER CHECK (uses_left >= 0),
        ephemeral INTEGER NOT NULL,
        pre_approved INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        revoked_at INTEGER,
        used_at INTEGER
    ) STRICT;
    """)
    _text_index(db, "devices", "name, user, tags, ipv4, ipv6, os")


@migrations()
def network(db: Database) -> None:
    db.executescript("""
    CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE policies (
        number INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        note TEXT NOT NULL,
        confirm_by INTEGER
    ) STRICT;
    CREATE TABLE names (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        type TEXT NOT NULL CHECK (type IN ('A', 'AAAA', 'CNAME', 'TXT', 'SSHFP')),
        value TEXT NOT NULL,
        ttl INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        UNIQUE (name, type, value)
    ) STRICT;
    """)


@migrations()
def authority(db: Database) -> None:
    db.executescript("""
    CREATE TABLE generations (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('user', 'host')),
        key BLOB NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'trusted', 'retired')),
        backend TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        activated_at INTEGER,
        trusted_until INTEGER,
        retired_at INTEGER,
        UNIQUE (kind, number)
    ) STRICT;
    CREATE UNIQUE INDEX generations_active ON generations (kind) WHERE state = 'active';
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters VALUES ('serial', 0);
    CREATE TABLE certificates (
        serial INTEGER PRIMARY KEY CHECK (serial > 0),
        kind TEXT NOT NULL CHECK (kind IN ('user', 'host')),
        key_id TEXT NOT NULL,
        user TEXT,
        device TEXT,
        device_id INTEGER,
        principals TEXT NOT NULL,
        valid_after INTEGER NOT NULL,
        valid_before INTEGER NOT NULL,
        source_addresses TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        generation TEXT NOT NULL REFERENCES generations (id),
        issued_at INTEGER NOT NULL,
        revoked_at INTEGER,
        line TEXT NOT NULL
    ) STRICT;
    CREATE INDEX certificates_key_id ON certificates (key_id);
    CREATE INDEX certificates_user ON certificates (user, valid_before);
    CREATE INDEX certificates_device ON certificates (device);
    CREATE INDEX certificates_device_id ON certificates (device_id, valid_before);
    CREATE INDEX certificates_fingerprint ON certificates (fingerprint);
    CREATE INDEX certificates_valid_before ON certificates (valid_before);
    CREATE INDEX certificates_issued_at ON certificates (issued_at);
    CREATE INDEX certificates_generation ON certificates (generation, valid_before);
    CREATE TABLE revocations (
        number INTEGER PRIMARY KEY,
        serial INTEGER UNIQUE,
        generation TEXT,
        key BLOB UNIQUE,
        key_id TEXT UNIQUE,
        fingerprint TEXT UNIQUE,
        at INTEGER NOT NULL,
        by TEXT NOT NULL,
        reason TEXT NOT NULL,
        CHECK ((serial IS NOT NULL) + (key IS NOT NULL) + (key_id IS NOT NULL) + (fingerprint IS NOT NULL) = 1)
    ) STRICT;
    """)


@migrations()
def trails(db: Database) -> None:
    db.executescript("""
    CREATE TABLE changes (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, change TEXT NOT NULL) STRICT;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        before TEXT,
        after TEXT,
        source TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_at ON audit (at);
    CREATE INDEX audit_actor ON audit (actor);
    CREATE INDEX audit_action ON audit (action);
    CREATE INDEX audit_subject ON audit (subject);
    CREATE TABLE audit_head (number INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
    """)
    db.execute("INSERT INTO audit_head VALUES (0, ?)", ("0" * 64,))


@migrations()
def logins(db: Database) -> None:
    db.executescript("""
    CREATE TABLE identities (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        user TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        bound_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        refresh_token BLOB,
        PRIMARY KEY (issuer, subject)
    ) STRICT;
    CREATE INDEX identities_user ON identities (user);
    CREATE TABLE totp (
        user TEXT PRIMARY KEY REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        secret BLOB NOT NULL,
        last_step INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        confirmed_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE recovery_codes (
        user TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        hash TEXT NOT NULL,
        used_at INTEGER,
        PRIMARY KEY (user, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE logins (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        method TEXT NOT NULL,
        factors TEXT NOT NULL,
        source TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL,
        auth_time INTEGER,
        ended_at INTEGER,
        key_fingerprint TEXT
    ) STRICT;
    CREATE INDEX logins_user ON logins (user, started_at);
    CREATE INDEX logins_running ON logins (ends_at) WHERE ended_at IS NULL;
    CREATE TABLE codes (
        hash TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        user TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        created_at INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        used_at INTEGER
    ) STRICT;
    CREATE INDEX codes_user ON codes (user, kind);
    """)


@migrations()
def reasons(db: Database) -> None:
    db.executescript("""
    ALTER TABLE certificates ADD COLUMN how TEXT NOT NULL DEFAULT '';
    ALTER TABLE certificates ADD COLUMN rule TEXT NOT NULL DEFAULT '';
    CREATE TABLE consents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        device TEXT NOT NULL,
        user TEXT,
        fingerprint TEXT NOT NULL,
        principals TEXT NOT NULL,
        asked_at INTEGER NOT NULL,
        asked_by TEXT NOT NULL,
        given_at INTEGER,
        given_by TEXT,
        until INTEGER
    ) STRICT;
    CREATE INDEX consents_fingerprint ON consents (fingerprint);
    """)


@migrations()
def pages(db: Database) -> None:
    """What is asked for most: one state of certificates, one state or owner of devices by name."""
    db.execute("CREATE INDEX certificates_state ON certificates (revoked_at, valid_before)")
    db.execute("CREATE INDEX devices_state_name ON devices (state, name)")
    db.execute("CREATE INDEX devices_user_name ON devices (user, name)")


@migrations()
def ends(db: Database) -> None:
    """When what was revoked by serial is over anyway, so that a KRL need not list it for good."""
    db.execute("ALTER TABLE revocations ADD COLUMN until INTEGER")
    db.execute(
        "UPDATE revocations SET until ="
        " (SELECT valid_before FROM certificates WHERE certificates.serial = revocations.serial)"
    )


@migrations()
def emergencies(db: Database) -> None:
    """Break-glass keys were told by their comment before."""
    db.execute("ALTER TABLE user_keys ADD COLUMN break_glass INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE user_keys SET break_glass = 1 WHERE comment = 'break-glass' AND expires_at IS NULL"
        " AND user IN (SELECT name FROM users WHERE role = 'owner')"
    )


@migrations()
def desks(db: Database) -> None:
    """What the console keeps for one person, or for a local owner (`local:UID`), who is no user."""
    db.executescript("""
    CREATE TABLE local_preferences (
        local TEXT PRIMARY KEY CHECK (local LIKE 'local:%'),
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE drafts (
        user TEXT UNIQUE REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
        local TEXT UNIQUE CHECK (local LIKE 'local:%'),
        based_on INTEGER NOT NULL,
        text TEXT NOT NULL,
        kept_at INTEGER NOT NULL,
        CHECK ((user IS NULL) <> (local IS NULL))
    ) STRICT;
    """)


@migrations()
def rows_of_serials(db: Database) -> None:
    """What a restored gate revokes, since it does not know what was signed after its backup."""
    db.execute("ALTER TABLE revocations ADD COLUMN through INTEGER")


@migrations()
def ended_generations(db: Database) -> None:
    """What a generation signed ends with the trust in it."""
    db.execute(
        "UPDATE certificates SET revoked_at = ended.retired_at FROM generations AS ended"
        " WHERE ended.id = certificates.generation AND ended.state = 'retired'"
        " AND certificates.revoked_at IS NULL AND certificates.valid_before > ended.retired_at"
    )


@migrations()
def resting(db: Database) -> None:
    """Whose device gave an address up, so that nobody lays all of them to rest."""
    db.execute(
        "ALTER TABLE released_addresses ADD COLUMN user TEXT"
        " REFERENCES users (name) ON UPDATE CASCADE ON DELETE SET NULL"
    )
    db.execute("CREATE INDEX released_addresses_user ON released_addresses (user) WHERE user IS NOT NULL")


@migrations()
def consented(db: Database) -> None:
    """A certificate's rule ended with the consent before: `claims of role owner, with consent 7 of bob@example.com`."""
    db.execute("ALTER TABLE certificates ADD COLUMN consent INTEGER")
    db.execute(
        "ALTER TABLE certificates ADD COLUMN consented_by TEXT CHECK ((consent IS NULL) = (consented_by IS NULL))"
    )
    words = "substr(rule, instr(rule, ', with consent ') + 15)"
    db.execute(
        f"UPDATE certificates SET consent = CAST(substr({words}, 1, instr({words}, ' of ') - 1) AS INTEGER),"  # noqa: S608
        f" consented_by = substr({words}, instr({words}, ' of ') + 4),"
        " rule = substr(rule, 1, instr(rule, ', with consent ') - 1)"
        " WHERE rule LIKE '%, with consent _% of _%'"
    )


@migrations()
def proofs(db: Database) -> None:
    """Who holds a key's private half. Persons' keys from before are taken to have been used."""
    db.execute("ALTER TABLE user_keys ADD COLUMN proved_at INTEGER")
    db.execute("UPDATE user_keys SET proved_at = added_at")
    db.execute("ALTER TABLE certificates ADD COLUMN key_proved INTEGER NOT NULL DEFAULT 0")


@migrations()
def issued(db: Database) -> None:
    """What the log says of an issued certificate is its serial: the row has the rest, and is in the order of issue."""
    db.execute(
        "UPDATE changes SET change = json_object('change', 'CertificateIssued',"
        " 'serial', json_extract(change, '$.certificate.serial'))"
        " WHERE json_extract(change, '$.change') = 'CertificateIssued'"
    )
    db.execute("DROP INDEX certificates_issued_at")


@migrations()
def unknown_ends(db: Database) -> None:
    """Nobody knows when what a restored gate revokes as a row of serials is over."""
    db.execute("UPDATE revocations SET until = NULL WHERE through IS NOT NULL")


def _text_index(db: Database, table: str, columns: str) -> None:
    """A trigram index over the generated column `visible` of `table`, kept in step by triggers."""
    insert = f"INSERT INTO {table}_text (rowid, visible) VALUES (new.id, new.visible);"  # noqa: S608
    delete = f"INSERT INTO {table}_text ({table}_text, rowid, visible) VALUES ('delete', old.id, old.visible);"  # noqa: S608
    db.execute(
        f"CREATE VIRTUAL TABLE {table}_text USING fts5"
        f" (visible, content = '{table}', content_rowid = 'id', tokenize = 'trigram')"
    )
    db.execute(f"CREATE TRIGGER {table}_text_insert AFTER INSERT ON {table} BEGIN {insert} END")
    db.execute(f"CREATE TRIGGER {table}_text_delete AFTER DELETE ON {table} BEGIN {delete} END")
    db.execute(
        f"CREATE TRIGGER {table}_text_update AFTER UPDATE OF {columns} ON {table}"
        f" WHEN old.visible IS NOT new.visible BEGIN {delete} {insert} END"
    )
