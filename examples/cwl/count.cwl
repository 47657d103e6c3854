# A file goes in, a file comes out.
cwlVersion: v1.2
class: CommandLineTool
doc: Counts the different words of a text.
inputs:
  text: {type: File, doc: Any text file.}
outputs:
  counts: {type: stdout}
baseCommand: [sh, -c, 'export LC_ALL=C; tr -cs "[:alpha:]" "\n" < "$0" | tr "[:upper:]" "[:lower:]" | sort | uniq -c | sort -k1,1nr -k2']
arguments: [$(inputs.text.path)]
stdout: $(inputs.text.nameroot).counts
