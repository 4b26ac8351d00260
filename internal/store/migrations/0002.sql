-- Which files and batches that providers hold belong to whom.
CREATE TABLE fairlead_things (
	principal TEXT   NOT NULL,
	id        TEXT   NOT NULL,
	model     TEXT   NOT NULL,
	place     TEXT   NOT NULL, -- empty: the model's only one
	expires   BIGINT NOT NULL,
	PRIMARY KEY (principal, id)
);
CREATE INDEX fairlead_things_expires ON fairlead_things (expires);
