"""Where a run answers: in this process, in one process per device, or on a Ray cluster.

An `Executor` opens a runner for a job. The runner knows what the adapter is like (`Built`) and
yields the predictions of videos as they are ready. Whatever the executor, only the process of
`vicabench run` writes the run folder, and the configuration of a run does not depend on it.

`InProcessExecutor` answers in this process. The other executors use a `Scheduler`: one supervisor
thread per worker takes videos from a queue, hands them to the worker and collects its replies. A
worker runs an `Answerer`: in a process on this machine (`local`) or in a Ray actor (`ray`).
"""
