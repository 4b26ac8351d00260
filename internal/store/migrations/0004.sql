-- Results of tools that were too long for one reading.
CREATE TABLE fairlead_results (
	principal TEXT   NOT NULL,
	id        TEXT   NOT NULL,
	server    TEXT   NOT NULL,
	tool      TEXT   NOT NULL,
	external  BIGINT NOT NULL, -- 1: the server was named by a request
	data      BYTEA  NOT NULL,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_results_expires ON fairlead_results (expires);
