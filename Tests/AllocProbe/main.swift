import Outboard
let engine = try Engine()
print(try engine.callAndWait { 1 })
