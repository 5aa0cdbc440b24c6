-- An actor's row of the listing is put when it starts and changed when it ends, so its indexes are what a start and an
-- end cost. Both are as narrow as their queries allow, and grow at their end. Equal starts are put in order by the query;
-- the unfinished of a partition are read all at once and sorted then.
DROP INDEX perdure.executions_newest;
CREATE INDEX executions_newest ON perdure.executions (status, started_at);
DROP INDEX perdure.executions_unfinished;
CREATE INDEX executions_unfinished ON perdure.executions (partition) WHERE busy OR status = 'stuck';
