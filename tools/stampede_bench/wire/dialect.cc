#include "tools/stampede_bench/wire/dialect.h"

#include "tools/stampede_bench/wire/floor_dialect.h"
#include "tools/stampede_bench/wire/mqtt_dialect.h"
#include "tools/stampede_bench/wire/nats_dialect.h"
#include "tools/stampede_bench/wire/stomp_dialect.h"

namespace stampede::bench {

// A load holds tens of thousands of them.
static_assert(sizeof(StompDialect) <= 200);
static_assert(sizeof(NatsDialect) <= 200);
static_assert(sizeof(MqttDialect) <= 200);
static_assert(sizeof(FloorDialect) <= 200);

std::unique_ptr<Dialect> make_dialect(const Target& target) {
  switch (target.protocol) {
    case Target::Protocol::kNats:
      return std::make_unique<NatsDialect>(target);
    case Target::Protocol::kMqtt:
      return std::make_unique<MqttDialect>(target);
    case Target::Protocol::kFloor:
      return std::make_unique<FloorDialect>(target);
    case Target::Protocol::kStomp:
      break;
  }
  return std::make_unique<StompDialect>(target);
}

}  // namespace stampede::bench
