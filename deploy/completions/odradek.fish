complete -c odradek -a '(odradek --complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
