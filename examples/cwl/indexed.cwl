# A file with its index beside it, and a directory.
cwlVersion: v1.2
class: CommandLineTool
doc: Takes one entry out of a file by its index, and puts it into a directory with a copy of another one.
requirements:
  InitialWorkDirRequirement: {listing: [{entry: $(inputs.notes), entryname: result, writable: true}]}
inputs:
  table: {type: File, secondaryFiles: [.idx]}
  entry: {type: string}
  notes: {type: Directory}
outputs:
  result: {type: Directory, outputBinding: {glob: result}}
baseCommand: [sh, -c, 'sed -n "$(sed -n "s/^$1 //p" "$0.idx")p" "$0" > result/entry.txt']
arguments: [$(inputs.table.path), $(inputs.entry)]
