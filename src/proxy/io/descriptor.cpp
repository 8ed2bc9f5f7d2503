#include "proxy/io/descriptor.hpp"

#include <unistd.h>

namespace evergres::proxy {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = other.release();
  }
  return *this;
}

void Descriptor::reset() {
  // Never again after EINTR: Linux has closed it by then, and the number may be somebody else's.
  if (number_ >= 0) ::close(release());
}

}  // namespace evergres::proxy
