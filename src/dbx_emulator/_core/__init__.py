"""Theory of operation of the emulated Jobs service: state, time and what is due when.

The core is a discrete-event simulation. It holds records (`runs`), one heap of events ordered by
(deadline, sequence) (`events`), a clock that somebody else moves (`clock`) and one table that says which
state follows which (`lifecycle`). Nothing here starts a thread, sleeps, reads the clock on the wall or
draws a random number, so the same calls in the same order give the same records.

The `engine` is what the rest sees. Behind it the `machine` moves task runs along, and asks the modules beside
it what an event means: `launching` (whose turn it is), `special_tasks` (work that the service does itself),
`stopping` (cancels and timeouts); `derivation` says what a job run is, given its task runs.

Time enters through `Clock.now_ms` alone. Whoever asks a question first lets the `engine` drain what is due;
each event changes one task run, the job run above it is derived again, and its rendered bodies are dropped.
Between two events nothing changes: reading a run twice at one virtual time gives the same bytes.

What happens to a *run* is decided once, when it is created (`scenarios`). What happens to a *call* is decided
when the call comes (`faults`). The core returns decisions and records; it never speaks HTTP (`_api` does) and
never performs anything (doors do). It uses the standard library only.
"""
