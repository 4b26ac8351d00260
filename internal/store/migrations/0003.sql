-- What servers, and the authorization servers before them, have given principals: sealed, so that the database tells nobody.
CREATE TABLE fairlead_grants (
	principal TEXT   NOT NULL, -- empty: the gateway's own
	id        TEXT   NOT NULL,
	data      BYTEA  NOT NULL,
	version   BIGINT NOT NULL, -- another one after each change
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_grants_expires ON fairlead_grants (expires);

-- Who of all processes does something for which there must be one.
CREATE TABLE fairlead_leases (
	principal TEXT   NOT NULL,
	id        TEXT   NOT NULL,
	holder    TEXT   NOT NULL,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_leases_expires ON fairlead_leases (expires);
