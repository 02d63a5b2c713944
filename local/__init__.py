"""The embedded stack: every service the job talks to, on this machine, as one supervised thing."""
