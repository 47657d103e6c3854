function numbersOf(text) {
  return text.trim().split(/\s+/).map(Number);
}

function sum(numbers) {
  return numbers.reduce(function (total, each) { return total + each; }, 0);
}
