// database/sql with pgx or lib/pq: PROGRAM DRIVER DSN SECONDS CONNECTIONS. See ../loop.py for the
// rest. It is built with the distribution's packages, without modules.
//
// Outside transactions lib/pq parses an unnamed statement, waits, and binds it behind a Sync of its
// own. With transaction pooling somebody has to remember it: PgBouncer 1.24 does not, and 26000 is
// what it costs.
package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgconn"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

const insert = "insert into endpoint_rows (key) values ($1)"
const count = "select count(*) from endpoint_rows where key = $1"

type result struct {
	lock         sync.Mutex
	Transactions int      `json:"transactions"`
	Acknowledged []string `json:"acknowledged"`
	Failed       []string `json:"failed"`
	Unknown      []string `json:"unknown"`
	Errors       []string `json:"errors"`
	Connects     int      `json:"connects"`
	Longest      float64  `json:"longest_ms"`
}

func sqlstate(err error) string {
	var ofPgx *pgconn.PgError
	var ofPq *pq.Error
	if errors.As(err, &ofPgx) {
		return ofPgx.Code
	}
	if errors.As(err, &ofPq) {
		return string(ofPq.Code)
	}
	return "-----"
}

func (r *result) note(err error, key string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	state := sqlstate(err)
	if len(r.Errors) < 100 {
		r.Errors = append(r.Errors, state+" "+err.Error())
	}
	if key == "" {
		return
	}
	if state == "40001" || state == "57P03" || state == "25006" {
		r.Failed = append(r.Failed, key)
	} else {
		r.Unknown = append(r.Unknown, key)
	}
}

func (r *result) acknowledge(key string, began time.Time) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.Acknowledged = append(r.Acknowledged, key)
	if took := float64(time.Since(began).Microseconds()) / 1000; took > r.Longest {
		r.Longest = took
	}
}

func inTransaction(db *sql.DB, key string) (seen int, err error) {
	transaction, err := db.Begin()
	if err != nil {
		return 0, err
	}
	if _, err = transaction.Exec(insert, key); err == nil {
		err = transaction.QueryRow(count, key).Scan(&seen)
	}
	if err != nil {
		_ = transaction.Rollback()
		return 0, err
	}
	return seen, transaction.Commit()
}

func (r *result) one(db *sql.DB, number int, key string) {
	began, seen := time.Now(), 0
	var err error
	if number%2 == 1 {
		if seen, err = inTransaction(db, key); err != nil {
			r.note(err, key)
			return
		}
		r.acknowledge(key, began)
	} else {
		if _, err = db.Exec(insert, key); err != nil {
			r.note(err, key)
			return
		}
		r.acknowledge(key, began)
		if err = db.QueryRow(count, key).Scan(&seen); err != nil {
			r.note(err, "")
			return
		}
	}
	if seen != 1 {
		r.note(fmt.Errorf("the row %s is there %d times", key, seen), "")
	}
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	connections, _ := strconv.Atoi(os.Args[4])
	db, err := sql.Open(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	bytes := make([]byte, 4)
	_, _ = rand.Read(bytes)
	found := &result{Acknowledged: []string{}, Failed: []string{}, Unknown: []string{}, Errors: []string{}}
	var ended atomic.Value
	ended.Store(false)
	var all sync.WaitGroup
	for i := 0; i < connections; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for number := 1; !ended.Load().(bool); number++ {
				found.one(db, number, fmt.Sprintf("%s-%d-%d", hex.EncodeToString(bytes), i, number))
				time.Sleep(5 * time.Millisecond)
			}
		}(i)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	select {
	case <-stop:
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	}
	ended.Store(true)
	all.Wait()
	found.Transactions = len(found.Acknowledged)
	found.Connects = connections
	_ = json.NewEncoder(os.Stdout).Encode(found)
}
