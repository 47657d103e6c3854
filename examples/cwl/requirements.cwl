# What a job needs, worked out from its inputs by the server before anything is matched.
cwlVersion: v1.2
class: CommandLineTool
label: sampling
doc: Throws dice; who throws more often asks for more memory and time.

$namespaces: {dirac: "https://diracgrid.org/cwl#"}
hints:
  dirac:Job:
    schema_version: "1.0"
    job_type: User
    group: sampling
    priority: 2
    output_sandbox: ["*.log"]

requirements:
  InlineJavascriptRequirement: {}
  ResourceRequirement:
    coresMin: 1
    ramMin: $(Math.max(128, inputs.throws / 1000))
    outdirMin: 16
    tmpdirMin: 16
  ToolTimeLimit: {timelimit: 600}
  EnvVarRequirement: {envDef: {LC_ALL: C}}

inputs:
  seed: {type: int}
  throws: {type: int, default: 1000}
  sides:
    type: {type: enum, symbols: ["6", "12", "20"]}
    default: "6"

baseCommand: awk
arguments:
  - -v
  - seed=$(inputs.seed)
  - -v
  - throws=$(inputs.throws)
  - -v
  - sides=$(inputs.sides)
  - >-
    BEGIN {
    state = seed;
    for (i = 0; i < throws; i++) { state = (state * 16807) % 2147483647; count[1 + state % sides]++ }
    for (side = 1; side <= sides; side++) print side, count[side] + 0 > "dice.txt";
    print throws " throws" > "dice.log" }

outputs:
  dice: {type: File, outputBinding: {glob: dice.txt}}
