-- The types are PostgreSQL's; SQLite takes any. Times are milliseconds of Unix time. Ids are shortened as key does it.

CREATE TABLE fairlead_turns (
	turn    TEXT   PRIMARY KEY,
	data    BYTEA  NOT NULL, -- llm.Kept
	expires BIGINT NOT NULL
);
CREATE INDEX fairlead_turns_expires ON fairlead_turns (expires);

-- Which turn is kept under the id of a call.
CREATE TABLE fairlead_calls (
	principal TEXT   NOT NULL,
	id        TEXT   NOT NULL,
	turn      TEXT   NOT NULL REFERENCES fairlead_turns (turn) ON DELETE CASCADE,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_calls_turn ON fairlead_calls (turn);

-- A question that was used up stays without its data until it expires, so that it cannot be asked and used again.
CREATE TABLE fairlead_approvals (
	principal TEXT   NOT NULL,
	id        TEXT   NOT NULL,
	data      BYTEA  NOT NULL, -- llm.Pending
	used      BIGINT NOT NULL DEFAULT 0,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_approvals_expires ON fairlead_approvals (expires);

CREATE TABLE fairlead_replies (
	principal   TEXT   NOT NULL,
	id          TEXT   NOT NULL,
	previous    TEXT   NOT NULL, -- empty for none
	model       TEXT   NOT NULL,
	status      TEXT   NOT NULL,
	input       BYTEA  NOT NULL,
	items       BYTEA  NOT NULL,
	body        BYTEA  NOT NULL,
	saved       BIGINT NOT NULL,
	alive_until BIGINT NOT NULL DEFAULT 0, -- the owner's lease, while it is made
	cancelled   BIGINT NOT NULL DEFAULT 0,
	expires     BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_replies_expires ON fairlead_replies (expires);

-- Which replies have an item in their input or items.
CREATE TABLE fairlead_items (
	principal TEXT NOT NULL,
	id        TEXT NOT NULL,
	reply     TEXT NOT NULL,
	PRIMARY KEY (principal, id, reply),
	FOREIGN KEY (principal, reply) REFERENCES fairlead_replies (principal, id) ON DELETE CASCADE
);
CREATE INDEX fairlead_items_reply ON fairlead_items (principal, reply);

CREATE TABLE fairlead_events (
	principal TEXT   NOT NULL,
	reply     TEXT   NOT NULL,
	seq       BIGINT NOT NULL,
	frame     BYTEA  NOT NULL,
	PRIMARY KEY (principal, reply, seq),
	FOREIGN KEY (principal, reply) REFERENCES fairlead_replies (principal, id) ON DELETE CASCADE
);
