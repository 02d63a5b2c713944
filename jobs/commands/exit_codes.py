"""How a verb says to a program what became of it; 0 is done, or yes."""

#: No, or not all of it could be done. Of a verb that has `EXIT_UNKNOWN`, too: asking again does not help.
EXIT_FAILED = 1
#: An option, a setting or a file that they name is wrong.
EXIT_USAGE = 2
#: Not known (yet): something does not answer, or is not complete. Asking again may help.
EXIT_UNKNOWN = 3
