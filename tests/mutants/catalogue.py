"""The planted bugs. Each is one that somebody has made in a system like this one.

They are bugs in the code as it runs: in the statement that commits, in the adapter that publishes, in the node. Those of an
adapter are looked for on its real server.
"""

from __future__ import annotations

from tests.mutants.mutant import Mutant, Seeds, Tests
from tests.mutants.planting import Edit

STORE, TRANSPORT = "tests/conformance/store", "tests/conformance/transport"
COMMIT = "eventstore/postgres/migrations/0005_commit.sql"
LOG = "eventstore/postgres/migrations/0001_log.sql"
CHANNEL = "runtime/transport/rabbitmq_channel.py"
SEQUENCES = "".join(f"CREATE SEQUENCE perdure.position_{partition};\n" for partition in range(4))
LOST_CONFIRM = "test_a_publish_whose_confirm_is_lost_is_unknown_and_may_be_in"
NOT_DONE = r"accepted, and never handled|not within \d+ virtual seconds"
NOT_ONCE = r"effects$|answered, and not done|answered otherwise|\(poke|clients brought|transfer t\d|overdrawn"

ACK_BEFORE_COMMIT = Mutant(
    "ack before commit",
    "an accepted command is not lost when its node dies",
    [
        Edit(
            "runtime/hosting/activation.py",
            "        if step.commit is not None:\n            unit = TurnUnit(",
            "        if item.delivery is not None and item.subscription is not None:\n"
            "            item.subscription.ack(item.delivery)\n"
            "        if step.commit is not None:\n            unit = TurnUnit(",
        )
    ],
    Seeds(),
    "accepted, and never handled",
)

NO_EPOCH_CHECK = Mutant(
    "no epoch check",
    "a node that has lost its lease can't write",
    [Edit(COMMIT, " AND p.epoch = epochs[slot]\n", "\n")],
    Tests((f"{STORE}/test_fencing.py::test_the_old_owner_is_fenced[postgres]",)),
    r"isinstance\(None, StaleEpoch\)",
)

NO_UNIQUE_COMMAND_ID = Mutant(
    "no unique command id",
    "a command id changes a stream once",
    [
        Edit(
            COMMIT,
            "             AS i (stream, command_id, digest, begins, length);\n",
            "             AS i (stream, command_id, digest, begins, length) ON CONFLICT DO NOTHING;\n",
        )
    ],
    Tests((f"{STORE}/test_refused.py::test_only_the_bad_one_is_left_out[postgres-handled command]",)),
    r"duplicate.*Bad/1.*old",
)

# Positions are handed out as they are asked for, and not under the lock of the partition's head: a commit that
# takes long comes to light behind its successors, and who has read those goes on behind it.
READER_BY_POSITION_ONLY = Mutant(
    "reader by position only",
    "a reader that goes on from the last offset it saw misses nothing",
    [
        Edit(LOG, "CREATE TABLE perdure.partitions (\n", SEQUENCES + "CREATE TABLE perdure.partitions (\n"),
        Edit(
            COMMIT,
            "        UPDATE perdure.partitions p SET head = p.head + counts[slot]\n"
            "        WHERE p.partition = partitions[slot] AND p.epoch = epochs[slot]\n"
            "        RETURNING p.head - counts[slot] INTO base;\n",
            "        SELECT p.head INTO base FROM perdure.partitions p\n"
            "        WHERE p.partition = partitions[slot] AND p.epoch = epochs[slot];\n",
        ),
        Edit(
            COMMIT,
            "bases[e.slot] + e.ordinal,",
            "nextval(('perdure.position_' || partitions[e.slot])::regclass),",
        ),
    ],
    Tests(("tests/integration/eventstore/test_late_commit.py::test_a_reader_by_offset_misses_no_late_commit",)),
    r"assert \[2\] == \[1, 2\]",
)

MESSAGE_ID_REUSED = Mutant(
    "message_id reused",
    "who publishes learns of its own returned messages, and of nobody else's",
    [Edit(CHANNEL, "message_id=str(self._sequence + 1),", "message_id=str(self._sequence % 2 + 1),")],
    Tests((f"{TRANSPORT}/test_publishing.py::test_publishing_goes_on_after_an_unroutable_message[rabbitmq]",)),
    "DID NOT RAISE.*Unroutable",
)

RETURNS_IGNORED = Mutant(
    "returns ignored",
    "a message that no queue takes is not accepted",
    [Edit(CHANNEL, "            entry.batch.unroutable.append(entry.message)", "            pass")],
    Tests((f"{TRANSPORT}/test_publishing.py::test_unroutable_messages_are_named_and_the_others_are_in[rabbitmq]",)),
    "DID NOT RAISE.*Unroutable",
)

TIMEOUT_TAKEN_AS_FAILURE = Mutant(
    "timeout taken as failure",
    "no answer means unknown: what is asked again is asked with the same command id",
    [
        Edit(
            "runtime/client/asking.py",
            "                self._patience = min(MOST_PATIENCE, self._patience * 2)\n",
            "                self._patience = min(MOST_PATIENCE, self._patience * 2)\n"
            "                from msgspec.structs import replace\n"
            "                if hasattr(self._content, 'command_id'):\n"
            "                    self._content = replace(self._content, command_id=f'{id(self)} {now}')\n"
            "                    self.body = encoded(self._content)\n",
        )
    ],
    Seeds(),
    NOT_ONCE,
)

LOST_CONFIRM_TAKEN_AS_NOT_SENT = Mutant(
    "lost confirm taken as not sent",
    "no confirm means unknown, never no",
    [
        Edit(
            CHANNEL,
            'batch.fail(PublishUnknown(f"no confirm: {reason}',
            'batch.fail(TransportError(f"no confirm: {reason}',
        )
    ],
    Tests((f"{TRANSPORT}/test_lost_answers.py::{LOST_CONFIRM}[rabbitmq]",)),
    "TransportError: no confirm",
)

SNAPSHOT_WITHOUT_EPOCH = Mutant(
    "snapshot without epoch",
    "a node that has lost its lease can't leave a snapshot behind",
    [
        Edit(
            "eventstore/postgres/commit.py",
            "            if right and (netted := net(right)) is not None:\n",
            "            epochs = {row['partition']: row['epoch'] for row in heads}\n"
            "            now = {row['stream']: row['version'] for row in versions}\n"
            "            right += [\n"
            "                Commit(c.partition, epochs[c.partition], c.stream, now[c.stream], snapshot=c.snapshot)\n"
            "                for c, refusal in zip(batch, answers)\n"
            "                if refusal is not None and c.snapshot is not None\n"
            "            ]\n"
            "            if right and (netted := net(right)) is not None:\n",
        )
    ],
    Tests((f"{STORE}/test_fencing.py::test_the_old_owner_leaves_no_snapshot[postgres]",)),
    r"Snapshot\(version=1",
)

TIMER_CLAIMED_WITHOUT_EXPIRY = Mutant(
    "timer claimed without expiry",
    "a timer is not lost with the node that has taken it into its memory",
    [
        Edit(
            "runtime/hosting/timers.py",
            "        self.set(page)\n",
            "        self.set(page)\n"
            "        rows = store._inner.log.partitions[self._partition].timers\n"
            "        rows[:] = [row for row in rows if row not in page]\n",
        )
    ],
    Seeds(),
    NOT_DONE,
)

SWEEPER_OFF = Mutant(
    "sweeper off with a purged queue",
    "a task whose message was lost is published again",
    [
        Edit(
            "runtime/hosting/host.py",
            "        seen_all_messages = await self.outbox.sweep(self._services.store, WINDOW)\n",
            "        seen_all_messages = True\n",
        )
    ],
    Seeds(),
    NOT_DONE,
)

LOOK_BEFORE_ASKING = Mutant(
    "look before asking to be woken",
    "a follower that waits hears of the next event",
    [
        Edit(
            "eventstore/subscription.py",
            "        await self._watch.ask(self._partitions())\n        if not await self._look() and",
            "        behind = await self._look()\n        await self._watch.ask(self._partitions())\n        if not behind and",
        )
    ],
    Tests(("tests/integration/eventstore/test_doorbell.py::test_a_commit_that_was_under_way_wakes_too",)),
    "TimeoutError",
)

CHECKPOINT_AFTER_THE_WRITES = Mutant(
    "checkpoint moved in a transaction of its own",
    "an event counts once in a projection, whatever dies",
    [
        Edit(
            "runtime/readers/checkpoints.py",
            "                try:\n                    await self._move(connection, partition, before, after)\n",
            "                try:\n                    await transaction.commit()\n"
            "                    transaction = connection.transaction()\n                    await transaction.start()\n"
            "                    await self._move(connection, partition, before, after)\n",
        )
    ],
    Tests(("tests/integration/readers/test_exactly_once.py::test_writes_and_checkpoint_are_one_transaction",)),
    "several transactions",
)

CHECKPOINT_BEFORE_THE_CONFIRM = Mutant(
    "checkpoint moved before the broker confirmed",
    "every event is published",
    [
        Edit(
            "runtime/readers/event_publisher.py",
            "        await self._exchange.publish(",
            "        await self.checkpoints.move(batch.partition, before, batch.offset)\n        await self._exchange.publish(",
        )
    ],
    Tests(("tests/integration/readers/test_exchange.py::test_confirms_that_do_not_come",)),
    r"assert \[\d.*== \[1, 2, 3",
)

_TREE = "tests/unit/runtime/test_stopped_children.py"

STOPPED_IN_MEMORY_ONLY = Mutant(
    "stopped in memory only",
    "a child that its parent does not want any more hears of it, also when the parent's node dies",
    [
        Edit(
            "runtime/hosting/journaled.py",
            "            commit.outbox_redeliver.append(Redelivery(message.id, now, message.body))\n            step.later",
            "            step.later",
        )
    ],
    Tests((f"{_TREE}::test_a_node_may_die_between_any_two_steps_of_a_falling_tree[75-cancel]",)),
    r"not within 300 virtual seconds",
)

TASKS_NOT_TOLD = Mutant(
    "tasks not told",
    "a worker hears within bounded time that nobody waits for its task any more",
    [
        Edit(
            "actors/turn_maker.py",
            "                    turn.tasks_closed.append(number)",
            "                    pass",
        )
    ],
    Tests(("tests/unit/runtime/test_tasks_are_told.py::test_tasks_are_told[timeout]",)),
    r"not within \d+(\.\d+)? virtual seconds",
)

TOLD_ROW_REMOVED_TOO_EARLY = Mutant(
    "told row removed too early",
    "a command that was told arrives, whatever the broker loses and in whatever order it delivers",
    [
        Edit(
            "runtime/hosting/children.py",
            "    return message.id.startswith(_OUTCOME)\n",
            "    return message.id.startswith(_OUTCOME) or b'\"told\":true' in message.body\n",
        )
    ],
    Tests(("tests/unit/runtime/test_common_times.py::test_what_was_lost_for_a_while_arrives_soon_after",)),
    "not within 100 virtual seconds",
)

ORDER_NOT_KEPT = Mutant(
    "order of calls left to the broker",
    "commands of one instance to another are recorded in the order in which they were given",
    [Edit("runtime/hosting/calls.py", "    if message.caller is None or message.after is None:\n", "    if True:\n")],
    Tests(("tests/unit/runtime/test_calls.py::test_a_command_that_overtook_another_waits_for_it",)),
    r"assert \['3', '2', 'mine'",
)

STOP_LOST = Mutant(
    "stop lost with the parent's end",
    "a child ends when its parent has ended, unless it was to be abandoned",
    [
        Edit(
            "actors/consequences.py",
            '        _stop(turn, started, Stop("terminate" if tree',
            '        tree and _stop(turn, started, Stop("terminate" if tree',
        )
    ],
    Seeds(),
    r"not within \d+ virtual seconds: nothing is left to do|was never stopped",
)

CARRIED_COMMAND_DROPPED = Mutant(
    "carried command dropped",
    "a command that is under way when a run starts over is handled by the next run",
    [
        Edit(
            "actors/ledger.py",
            "    ledger.commands = {id: taken for id, taken in ledger.commands.items() if taken.outcome is None}\n",
            "    ledger.commands = {}\n",
        )
    ],
    Seeds(),
    r"every client has its answers|\(listen|KeyError",
)

SECOND_PROMISE_WINS = Mutant(
    "the second one settles a promise, too",
    "the first one that settles a promise wins, and all others are told so",
    [
        Edit(
            "runtime/hosting/promises.py",
            "    if (won := execution.ledger.promises.get(message.name)) is not None:\n",
            "    won = execution.ledger.promises.get(message.name)\n    if won is not None and won.by == message.command_id:\n",
        )
    ],
    Seeds(),
    r"\(resolve",
)

SAGA_CUT_SHORT = Mutant(
    "saga cut short by a cancellation",
    "what a saga has begun to undo is undone to its end",
    [Edit("actors/saga.py", "                    cancelled = meanwhile\n", "                    raise\n")],
    Tests(("tests/unit/actors/test_saga.py::test_a_cancellation_waits_until_all_is_undone",)),
    r"assert \[\] ==",
)

DELAYED_ROW_LEFT_TO_MEMORY = Mutant(
    "delayed command left to memory",
    "a command for later outlives the node that has accepted it",
    [
        Edit(
            "runtime/hosting/delayed.py",
            "inbox=[mark], outbox=[row])\n",
            "inbox=[mark])\n",
        )
    ],
    Seeds(),
    r"\(later|every client has its answers",
)

CANCELLED_IN_MEMORY_ONLY = Mutant(
    "a cancelled command is remembered in memory only",
    "a delayed command is handled or cancelled, never both",
    [
        Edit(
            "runtime/hosting/entity.py",
            "self.version, inbox=[mark], outbox_remove=[row])",
            "self.version, outbox_remove=[row])",
        )
    ],
    Tests(
        ("tests/unit/runtime/test_cancelled_commands.py::test_a_node_that_dies_with_the_request_leaves_it_to_the_next",)
    ),
    "DID NOT RAISE",
)

RUNNING_FORGOTTEN = Mutant(
    "running forgotten by a schedule's next run",
    "a schedule knows what runs, also when it has started over",
    [
        Edit(
            "runtime/schedules/workflow.py",
            "                self._watch(adopt(self._program, running.number, running.type, running.id), running)\n",
            "                adopt(self._program, running.number, running.type, running.id)\n",
        )
    ],
    Tests(
        ("tests/unit/runtime/schedules/test_schedule_workflow.py::test_a_schedule_begins_new_runs_and_knows_what_runs",)
    ),
    r"assert \[\] ==",
)

UPDATE_BEFORE_A_LOOK = Mutant(
    "schedule updated before a look at the old times",
    "each time of a schedule is dealt with once, over updates, pauses and new runs",
    [Edit("runtime/schedules/workflow.py", "        self._look(late=False)\n", "")],
    Tests(("tests/property/runtime/test_schedule_workflow.py",)),
    r"assert \(\(\d+ \+ \d+\) \+",
)

MUTANTS = (
    NO_EPOCH_CHECK,
    MESSAGE_ID_REUSED,
    ACK_BEFORE_COMMIT,
    NO_UNIQUE_COMMAND_ID,
    READER_BY_POSITION_ONLY,
    RETURNS_IGNORED,
    TIMEOUT_TAKEN_AS_FAILURE,
    LOST_CONFIRM_TAKEN_AS_NOT_SENT,
    SNAPSHOT_WITHOUT_EPOCH,
    TIMER_CLAIMED_WITHOUT_EXPIRY,
    SWEEPER_OFF,
    LOOK_BEFORE_ASKING,
    CHECKPOINT_AFTER_THE_WRITES,
    CHECKPOINT_BEFORE_THE_CONFIRM,
    STOPPED_IN_MEMORY_ONLY,
    TASKS_NOT_TOLD,
    TOLD_ROW_REMOVED_TOO_EARLY,
    ORDER_NOT_KEPT,
    STOP_LOST,
    CARRIED_COMMAND_DROPPED,
    SECOND_PROMISE_WINS,
    SAGA_CUT_SHORT,
    DELAYED_ROW_LEFT_TO_MEMORY,
    CANCELLED_IN_MEMORY_ONLY,
    RUNNING_FORGOTTEN,
    UPDATE_BEFORE_A_LOOK,
)
