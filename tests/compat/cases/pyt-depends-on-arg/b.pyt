import canary
canary.directives.depends_on(arg="a")
