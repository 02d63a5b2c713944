# None: who needs a name has it from the module `names`.
