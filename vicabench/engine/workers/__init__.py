"""Where the answering happens: in this process, in one for each device, or on a Ray cluster.

An executor is opened for a job and gives a team, which knows what the adapter is like (`Built`)
and answers videos as they come. Whatever the executor, it is the process of `vicabench run` that
writes the run folder, alone; the configuration of a run does not depend on its executor.

`here` is this process. `scheduler` is the rest: a thread for every worker hands it videos from the
`queue` and takes in the replies. A worker is what `Answerer` does elsewhere: `processes` has it in
processes of this machine, `ray_actors` in actors.
"""
