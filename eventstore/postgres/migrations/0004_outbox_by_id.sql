-- A commit finds outbox rows by their ids, many at once. With the partition first, a plan made while the table was
-- still empty looked up (partition, id) by the id alone, which reads the whole index for each row. Sweeps have
-- indexes of their own.
ALTER TABLE perdure.outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (id, partition);
