#include "sim/network.hpp"

#include <algorithm>

namespace evergres::sim {

Network::Network(EventQueue& events, Choices& choices, std::size_t places)
    : events_(events), choices_(choices), ways_(places, std::vector<Way>(places)) {
  for (Place place = 0; place < places; ++place) {
    ways_[place][place].least = Nanos{5'000};
    ways_[place][place].most = Nanos{40'000};
  }
}

bool Network::open(Place from, Place to, Traffic kind) const {
  return from == to || ways_[from][to].cut[static_cast<std::size_t>(kind)] <= 0;
}

void Network::cut(Place from, Place to, int by) {
  if (before_change) before_change();
  for (int& one : ways_[from][to].cut) one += by;
}

void Network::cut(Place from, Place to, Traffic kind, int by) {
  if (before_change) before_change();
  ways_[from][to].cut[static_cast<std::size_t>(kind)] += by;
}

Nanos Network::travel_time(Place from, Place to) {
  const Way& way = ways_[from][to];
  return choices_.skewed(way.least, way.most);
}

void Network::send(Place from, Place to, Traffic kind, EventQueue::Action arrival) {
  ++sent_;
  const Way& way = ways_[from][to];
  if (!open(from, to, kind) || choices_.chance(way.loss)) return;
  const auto arrive = [this, from, to, kind, arrival = std::move(arrival)] {
    if (open(from, to, kind)) arrival();
  };
  if (choices_.chance(way.twice)) {
    events_.after(travel_time(from, to) + choices_.between(Nanos{0}, Millis{500}), arrive);
  }
  events_.after(travel_time(from, to), arrive);
}

Stream::Stream(EventQueue& events, Network& network, Place from, Place to, Traffic kind)
    : line_(std::make_shared<Line>(Line{events, network, from, to, kind, true, false, 0, {}})) {}

void Stream::send(EventQueue::Action arrival) {
  line_->waiting.push_back(std::move(arrival));
  if (!line_->moving) move(line_);
}

// What is lost is sent again until it arrives. An answer to an earlier try, or to one that arrived
// twice, finds the number changed.
void Stream::move(const std::shared_ptr<Line>& line) {
  line->moving = true;
  const int number = line->number;
  line->network.send(line->from, line->to, line->kind, [line, number] {
    if (!line->open || number != line->number) return;
    ++line->number;
    const EventQueue::Action first = std::move(line->waiting.front());
    line->waiting.pop_front();
    if (line->waiting.empty()) {
      line->moving = false;
    } else {
      move(line);
    }
    first();
  });
  line->events.after(Millis{200}, [line, number] {
    if (line->open && line->moving && number == line->number) move(line);
  });
}

}  // namespace evergres::sim
