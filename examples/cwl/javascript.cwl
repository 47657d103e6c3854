# Expressions in JavaScript, which run without node on the worker node.
cwlVersion: v1.2
class: Workflow
doc: Sums the numbers of a file and says what kind of sum it is.
requirements:
  InlineJavascriptRequirement:
    expressionLib:
      - $include: sum.js
  StepInputExpressionRequirement: {}
  MultipleInputFeatureRequirement: {}
inputs:
  numbers: {type: File, loadContents: true}
steps:
  add:
    run:
      class: ExpressionTool
      inputs:
        numbers: {type: "float[]"}
      outputs:
        sum: {type: float}
        mean: {type: float}
      requirements:
        InlineJavascriptRequirement: {expressionLib: [{$include: sum.js}]}
      expression: '${ var all = sum(inputs.numbers); return {sum: all, mean: all / inputs.numbers.length}; }'
    in:
      numbers:
        source: numbers
        valueFrom: $(numbersOf(self.contents))
    out: [sum, mean]
  tell:
    run:
      class: CommandLineTool
      requirements:
        InlineJavascriptRequirement: {}
      inputs:
        sum: {type: float}
        mean: {type: float}
      outputs:
        told: {type: stdout}
      baseCommand: echo
      arguments: ['$(inputs.sum < 0 ? "negative" : "positive")', $(inputs.sum.toFixed(2)), $(inputs.mean.toFixed(2))]
      stdout: told.txt
    in: {sum: add/sum, mean: add/mean}
    out: [told]
outputs:
  told: {type: File, outputSource: tell/told}
  mean: {type: float, outputSource: add/mean}
